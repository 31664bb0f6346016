module github.com/watchword-dev/watchword/store/mysql

go 1.25.0

require (
	github.com/go-sql-driver/mysql v1.10.1
	github.com/watchword-dev/watchword/session v0.1.0
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
)

replace github.com/watchword-dev/watchword/session => ../../session
