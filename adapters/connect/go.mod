module github.com/watchword-dev/watchword/adapters/connect

go 1.26.0

require (
	connectrpc.com/connect v1.21.1
	github.com/watchword-dev/watchword/session v0.1.0
	google.golang.org/protobuf v1.36.11
)

require github.com/golang-jwt/jwt/v5 v5.3.1 // indirect

replace github.com/watchword-dev/watchword/session => ../../session
