-- wrk: random ranges of one file. Arguments: the file's size and a range's size, in bytes.
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

-- The requests are prepared, so that the client costs little; 8,192 of them a thread are enough to look random.
function init(arguments)
    local size, length = tonumber(arguments[1]), tonumber(arguments[2])
    math.randomseed(number)
    requests = {}
    for index = 1, 8192 do
        local start = math.floor(math.random() * (size - length))
        local range = string.format("bytes=%.0f-%.0f", start, start + length - 1)
        requests[index] = wrk.format("GET", nil, { ["Range"] = range })
    end
    position = 0
end

function request()
    position = position % #requests + 1
    return requests[position]
end
