-- A look at many parts of Lua, each for a moment. Nothing here needs pcall or a coroutine: see lua/config.h.
print(_VERSION, #arg, arg[1], ...)
print(7 // 2, -7 // 2, 7 % -3, 7 / 2, 2 ^ 10, 1 << 62, ~0, 5 // 0.0, -5 % math.huge, 3 | 4.0)
print(math.maxinteger + 1 == math.mininteger, math.type(1), math.type(1.0), math.tointeger(3.0), 1e15, 2 ^ 53, 0x.8p1)
print(string.format("%q %5.2f %x %s %-5s| %g %i", "a\n\0b", math.pi, 255, nil, "ab", 1e100, 42))
print(("Hello World"):gsub("o", "0"), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"), ("x"):rep(3, ","), ("abc"):byte(1, -1))
print(table.concat({ 3, 1, 2 }, "-"), select("#", nil, nil), table.unpack({ 1, 2, 3 }, 2))
local words = { "pear", "apple", "fig", "cherry" }
table.sort(words, function(a, b) return #a < #b or #a == #b and a < b end)
print(table.concat(words, " "))
local point = setmetatable({ x = 1, y = 2 }, {
    __add = function(a, b) return a.x + b.x + a.y + b.y end,
    __index = function(_, key) return key .. "?" end,
    __tostring = function(p) return "<" .. p.x .. "," .. p.y .. ">" end,
    __call = function(_, n) return n * 2 end,
    __len = function() return 99 end,
    __close = function() print("closed") end,
})
do local closing <close> = point print(point + point, point.z, tostring(point), point(21), #point) end
print(utf8.char(72, 228, 8364, 128512), utf8.len("häß"), #"häß")
print(string.pack("<i4>I2z", -2, 513, "hi"):byte(1, -1))
print(tostring(0 / 0):gsub("-", ""), 1 / 0, -1 / 0, math.floor(-3.5), math.fmod(-7, 3), tonumber("0x10"), tonumber("z", 36), tonumber("1e"))
goto done
print("skipped")
::done::
print(load("local a <const> = ... return a * 2")(21))
print(os.time({ year = 2001, month = 9, day = 9, hour = 1, min = 46, sec = 40 }) ~= nil, os.date("!%Y-%m-%d %H:%M:%S", 1e9), os.getenv("GREETING"))
local file = assert(io.open("/data/note.txt", "w"))
file:write("one\n", 2, "\nthree 4.5\n")
print(file:seek("cur"))
file:close()
for line in io.lines("/data/note.txt") do io.write("[", line, "]") end
local again = io.open("/data/note.txt")
print(again:read("l", "n", "l", "a"))
again:close()
print(os.rename("/data/note.txt", "/data/other.txt"), io.open("/data/note.txt"), os.remove("/data/other.txt"))
print(collectgarbage("count") > 0, collectgarbage(), io.read("l"), io.read("n", "n"))
