local t, s = {}, 0
for i = 1, 300000 do t[i] = (i * 7919) % 10007 end
table.sort(t)
for i = 1, #t do s = s + t[i] * (i % 7) end
local w = {}
for i = 1, 20000 do w[#w + 1] = string.format("%d:%x", i, t[i]) end
print(s, #table.concat(w, ","))
