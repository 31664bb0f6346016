// Package sample is the session that is measured: what a browser sends, and a little of what applications keep.
package sample

import (
	"encoding/json"

	"github.com/watchword-dev/watchword/session"
)

// UserAgent is one of 110 bytes.
const UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.3"

// Address is a client's.
const Address = "203.0.113.117"

// Payload and Data are 60 and 200 bytes of JSON.
const (
	Payload = `{"role":"editor","org":"5f0c3a7e","plan":"team","beta":true}`
	Data    = `{"cart":["sku-40912","sku-11875","sku-99120"],"theme":"dark","locale":"en-GB","seen":["welcome","tour-2","` +
		`release-14"],"return_to":"/projects/5f0c3a7e/boards/12?filter=mine&sort=due","step":[3,14]}`
)

// Device is what the requests show of the client.
func Device() session.Device { return session.Device{UserAgent: UserAgent, Address: Address} }

// Options are those of a new session.
func Options() session.CreateOptions {
	return session.CreateOptions{Payload: json.RawMessage(Payload), Data: json.RawMessage(Data), Device: Device()}
}
