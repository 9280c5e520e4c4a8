module omniai/bench/requests/load

go 1.25
