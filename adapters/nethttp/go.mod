module github.com/watchword-dev/watchword/adapters/nethttp

go 1.25.0

require github.com/watchword-dev/watchword/session v0.1.0

require github.com/golang-jwt/jwt/v5 v5.3.1 // indirect

replace github.com/watchword-dev/watchword/session => ../../session
