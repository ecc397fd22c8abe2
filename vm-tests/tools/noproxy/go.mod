module noproxy

go 1.26
