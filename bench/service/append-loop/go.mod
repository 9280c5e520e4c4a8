module append-loop

go 1.22
