-- What wrk sends: batches of 100 events, 5 of each of 20 devices, in order, under ids of their own,
-- observed now. 2,000 devices take turns.
local counter = 0
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  wrk.method = "POST"
  wrk.headers["Authorization"] = "Bearer drover-load-key"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  local now = os.date("!%Y-%m-%dT%H:%M:%SZ")
  local events = {}
  for device = 1, 20 do
    local id = (counter * 20 + device) % 2000
    for event = 1, 5 do
      events[#events + 1] = string.format(
        '{"device_id":"load-%d-%04d","event_id":"%d-%d-%d-%d","event_type":"temperature","timestamp":"%s",' ..
        '"payload":{"value":%d.5,"unit":"celsius","sensor":"north-2","firmware":"4.2.1","quality":"good","site":"plant-7"}}',
        number, id, number, counter, device, event, now, 15 + (counter + event) % 10)
    end
  end
  counter = counter + 1
  return wrk.format(nil, nil, nil, "[" .. table.concat(events, ",") .. "]")
end

-- One line for the program that started this.
function done(summary, latency)
  io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
