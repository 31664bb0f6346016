module github.com/watchword-dev/watchword/adapters/echo

go 1.25.0

require (
	github.com/labstack/echo/v5 v5.4.4
	github.com/watchword-dev/watchword/session v0.1.0
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	golang.org/x/time v0.15.0 // indirect
)

replace github.com/watchword-dev/watchword/session => ../../session
