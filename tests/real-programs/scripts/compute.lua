-- Work for a second or more; the argument multiplies it. Every line printed depends on all the work before it.
local times = tonumber((...)) or 1

local function queens(n)
    local columns, up, down, count = {}, {}, {}, 0
    local function place(row)
        if row > n then count = count + 1 return end
        for column = 1, n do
            if not (columns[column] or up[row + column] or down[row - column + n]) then
                columns[column], up[row + column], down[row - column + n] = true, true, true
                place(row + 1)
                columns[column], up[row + column], down[row - column + n] = nil, nil, nil
            end
        end
    end
    place(1)
    return count
end

local function fannkuch(n)
    local p, q, s, sign, flips_most, sum = {}, {}, {}, 1, 0, 0
    for i = 1, n do p[i], q[i], s[i] = i, i, i end
    while true do
        local q0 = p[1]
        if q0 ~= 1 then
            for i = 2, n do q[i] = p[i] end
            local flips = 1
            while true do
                local qq = q[q0]
                if qq == 1 then
                    sum = sum + sign * flips
                    if flips > flips_most then flips_most = flips end
                    break
                end
                q[q0] = q0
                if q0 >= 4 then
                    local i, j = 2, q0 - 1
                    repeat q[i], q[j] = q[j], q[i] i, j = i + 1, j - 1 until i >= j
                end
                q0, flips = qq, flips + 1
            end
        end
        if sign == 1 then
            p[1], p[2], sign = p[2], p[1], -1
        else
            p[2], p[3], sign = p[3], p[2], 1
            for i = 3, n do
                local sx = s[i]
                if sx ~= 1 then s[i] = sx - 1 break end
                if i == n then return sum, flips_most end
                s[i] = i
                local t = p[1]
                for j = 1, i do p[j] = p[j + 1] end
                p[i + 1] = t
            end
        end
    end
end

local function spectral(n)
    local function a(i, j) local ij = i + j - 1 return 1.0 / (ij * (ij - 1) * 0.5 + i) end
    local function times_a(x, y, transposed)
        for i = 1, n do
            local sum = 0
            for j = 1, n do sum = sum + x[j] * (transposed and a(j, i) or a(i, j)) end
            y[i] = sum
        end
    end
    local u, v, t = {}, {}, {}
    for i = 1, n do u[i] = 1 end
    for _ = 1, 5 do
        times_a(u, t) times_a(t, v, true)
        times_a(v, t) times_a(t, u, true)
    end
    local top, bottom = 0, 0
    for i = 1, n do top, bottom = top + u[i] * v[i], bottom + v[i] * v[i] end
    return math.sqrt(top / bottom)
end

local function tree(depth)
    if depth == 0 then return {} end
    return { tree(depth - 1), tree(depth - 1) }
end
local function nodes(t) return t[1] and 1 + nodes(t[1]) + nodes(t[2]) or 1 end

local function words(count)
    local seed, counts = 42, {}
    for _ = 1, count do
        seed = (seed * 1103515245 + 12345) % 2147483648
        local word = string.format("%x", seed >> 12):gsub("[0-4]", "-")
        counts[word] = (counts[word] or 0) + 1
    end
    local list = {}
    for word, n in pairs(counts) do list[#list + 1] = word .. n end
    table.sort(list)
    local digest = 0
    for character in table.concat(list, ";"):gmatch(".") do digest = (digest * 31 + character:byte()) % 4294967291 end
    return #list, list[1], list[#list], digest
end

for round = 1, times do
    print(round, "queens", queens(7))
    print(round, "fannkuch", fannkuch(8))
    print(round, "spectral", string.format("%.9f", spectral(80)))
    print(round, "trees", nodes(tree(15)), nodes(tree(10)))
    print(round, "words", words(30000))
end
