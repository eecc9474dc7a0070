-- wrk: each connection pauses for up to 20 ms between requests, so that latency is seen below saturation.
function delay()
    return math.random(1, 20)
end
