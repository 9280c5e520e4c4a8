module omniai/bench/resilience/traffic

go 1.25
