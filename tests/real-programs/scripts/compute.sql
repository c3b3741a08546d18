-- Work for a second or more: inserts, sorts, joins, windows, text, and programs written as recursive queries.
create table item (id integer primary key, kind integer, amount real, name text);
insert into item
with recursive number(i, x) as (
    select 1, 12345
    union all select i + 1, (x * 1103515245 + 12345) & 2147483647 from number where i < 120000)
select i, x % 97, (x >> 8) % 100000 / 7.0, printf('%08x-%d', x, i % 31) from number;
create index by_kind on item (kind, amount);
create index by_name on item (name);
select count(*), sum(kind), round(sum(amount), 3), min(name), max(name) from item;
select kind, count(*), round(avg(amount), 4) from item group by kind order by 3 desc limit 5;
select count(*) from item where name like '%a1%' or name like '%f-3';
select a.kind, count(*) from item a join item b on b.kind = a.kind and b.amount = a.amount and b.id <> a.id
group by a.kind order by 2 desc, 1 limit 4;
select count(*), round(sum(gap), 3) from (
    select amount - lag(amount) over (partition by kind order by amount, id) as gap from item) where gap > 5;
update item set amount = amount * 1.0625, name = upper(name) where kind % 3 = 1;
delete from item where id % 7 = 0;
select count(*), round(sum(amount), 3), count(distinct substr(name, 1, 3)) from item;
select group_concat(name, ' ') from (select name from item order by substr(name, 5) desc, id limit 6);
-- The Mandelbrot set.
with recursive
    x(cx) as (values (-2.0) union all select cx + 0.08 from x where cx < 1.1),
    y(cy) as (values (-1.0) union all select cy + 0.16 from y where cy < 1.0),
    m(n, cx, cy, a, b) as (
        select 0, cx, cy, 0.0, 0.0 from x, y
        union all select n + 1, cx, cy, a * a - b * b + cx, 2.0 * a * b + cy from m where a * a + b * b < 4.0 and n < 56),
    dots(n, cx, cy) as (select max(n), cx, cy from m group by cx, cy),
    lines(text, cy) as (select group_concat(substr(' .:+*%#@', 1 + min(n / 8, 7), 1), '') , cy
        from (select n, cx, cy from dots order by cy, cx) group by cy)
select rtrim(text) from lines order by cy;
-- A Sudoku.
with recursive
    input(sud) as (values ('53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79')),
    digit(z, lp) as (values ('1', 1) union all select cast(lp + 1 as text), lp + 1 from digit where lp < 9),
    x(s, ind) as (
        select sud, instr(sud, '.') from input
        union all
        select substr(s, 1, ind - 1) || z || substr(s, ind + 1), instr(substr(s, 1, ind - 1) || z || substr(s, ind + 1), '.')
        from x, digit as z
        where ind > 0 and not exists (
            select 1 from digit as lp
            where z.z = substr(s, ((ind - 1) / 9) * 9 + lp, 1)
                or z.z = substr(s, ((ind - 1) % 9) + (lp - 1) * 9 + 1, 1)
                or z.z = substr(s, (((ind - 1) / 3) % 3) * 3 + ((ind - 1) / 27) * 27 + lp + ((lp - 1) / 3) * 6, 1)))
select s from x where ind = 0;
pragma integrity_check;
