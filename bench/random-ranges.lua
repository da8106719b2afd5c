-- For wrk: every request asks for LENGTH bytes at a random place of a resource of SIZE bytes. Prints one line of JSON at the end.
local size, length
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  size, length = tonumber(args[1]), tonumber(args[2])
  math.randomseed(7919 * number)
end

function request()
  local start = math.random(0, size - length)
  return wrk.format("GET", nil, { Range = "bytes=" .. start .. "-" .. start + length - 1 })
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"bytes":%d,"microseconds":%d,"failed":%d,"medianMicroseconds":%d}\n', summary.requests, summary.bytes, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, latency:percentile(50)))
end
