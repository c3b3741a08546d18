-- A look at many parts of SQLite, each for a moment. The database is a file.
select 'version', sqlite_version();
create table person (id integer primary key, name text not null, born real, note blob);
insert into person values (1, 'Ada', 1815.94, x'00ff'), (2, 'Grace', 1906.94, null), (3, 'Çelik', -0.5, zeroblob(3));
create unique index by_name on person (name collate nocase);
create view names as select upper(name) as name, length(name) as letters from person order by 1;
select * from names;
select id, typeof(born), born, hex(note), quote(note), quote(name) from person;
begin;
delete from person where name = 'ADA' collate nocase;
savepoint inner_one;
insert into person (name) values ('Alan');
rollback to inner_one;
rollback;
select count(*), total(born), avg(born), group_concat(name, '/') from person;
create trigger log after insert on person begin update person set note = 'new' where id = new.id; end;
insert into person (name, born) values ('Edsger', 1e300), ('Barbara', 9007199254740993), ('Donald', 0.1 + 0.2);
select name, born, note, printf('%.3e|%08.3f|%x|%s|%5d', born, 2.0 / 3, 255, 'text', 42) from person where id > 3;
select 5 / 2, -5 / 2, -5 % 3, 5.0 / 2, 1 << 40, ~7, 9223372036854775807 + 1, round(2.5), round(-2.45, 1), abs(-3);
select 'a' < 'b', 'a' like 'A', 'abc' glob 'a?c', null is null, null = null, 3 between 1 and 5, 'x' in ('y', 'x');
select substr('héllo', 2, 3), replace('aXbX', 'X', '--'), instr('needle', 'dl'), trim('  both  '), char(9731), unicode('☃');
select date('2000-02-28', '+2 days'), strftime('%j %W %H:%M:%f', '1999-12-31 23:59:59.125'), julianday('1858-11-17');
select json_extract('{"a": [1, {"b": 2.5}]}', '$.a[1].b'), json_array(1, 'two', null), json_valid('{'), json('[1 , 2]');
select key, value, type from json_each('{"x": 1, "y": "z", "w": [true]}');
with recursive fibonacci(n, a, b) as (select 1, 0, 1 union all select n + 1, b, a + b from fibonacci where n < 91)
select max(a) from fibonacci;
select name, row_number() over (order by born), lag(name, 1, '-') over (order by id), ntile(2) over (order by id)
from person order by id;
select cast('12abc' as integer), cast('1.5e2x' as real), cast(3.99 as integer), cast(x'414243' as text), 1e400, -1e400;
select 355.0 / 113, 1.0 / 3, 1e21, 123456789.125, 5e-324;
explain query plan select * from person where name = 'ada' collate nocase;
vacuum;
pragma integrity_check;
pragma page_count;
