module github.com/watchword-dev/watchword/demo/api

go 1.26.0

require (
	github.com/go-chi/chi/v5 v5.5.0
	github.com/go-sql-driver/mysql v1.10.1
	github.com/rs/zerolog v1.35.1
	github.com/watchword-dev/watchword/adapters/nethttp v0.1.0
	github.com/watchword-dev/watchword/session v0.1.0
	github.com/watchword-dev/watchword/store/mysql v0.1.0
	go.uber.org/goleak v1.3.0
	golang.org/x/crypto v0.58.0
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/watchword-dev/watchword/adapters/nethttp => ../../adapters/nethttp

replace github.com/watchword-dev/watchword/session => ../../session

replace github.com/watchword-dev/watchword/store/mysql => ../../store/mysql
