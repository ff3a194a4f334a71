-- POST /v1/purchases for wrk: arguments are the payers' file, "amount" or "product", the run's name (keys are kept for
-- good), how many lines of the file are goods, the price in fen, and everyone's payment password.
-- Prints one JSON object at the end. An answer that is no 201 is an error of wrk's (above 399) or found by `made`.

local counter, goods, heads, start, finish, run = 0, {}, {}, "", "", ""

function init(args)
  local first = tonumber(args[4])
  run = args[3]
  math.randomseed(os.time())
  local number = 0
  for line in io.lines(args[1]) do
    number = number + 1
    if number <= first then
      local merchant, product = line:match("^(%S+) (%S+)$")
      goods[number] = args[2] == "product"
        and string.format('"merchant_id":"%s","product_id":"%s","quantity":1', merchant, product)
        or string.format('"merchant_id":"%s"', merchant)
    else
      heads[#heads + 1] = "POST /v1/purchases HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
        .. "\r\nContent-Type: application/json\r\nAuthorization: Bearer " .. line .. "\r\nContent-Length: "
    end
  end
  start = '{"amount_fen":' .. args[5] .. ',"currency":"CNY","payment_password":"' .. args[6] .. '",'
  finish = "}"
end

function request()
  counter = counter + 1
  local body = start .. goods[math.random(#goods)] .. finish
  return heads[math.random(#heads)] .. #body .. "\r\nIdempotency-Key: " .. run .. "-" .. counter .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"failed":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
