// Package vschema says how the store's tables lie on Vitess: which keyspace has which, and by what their rows are spread.
//
// The table of sessions is sharded, by a hash of the handle, which nearly every statement names. The others are small, are read as a
// whole or by time, and their unique keys have to be unique: they lie in a keyspace that is not sharded. sharded.json and unsharded.json,
// with the default prefix of the tables' names, are what `vtctldclient ApplyVSchema --vschema-file` gives to the two keyspaces.
//
// This comes before the tables: when vtgate knows where each belongs, Store.Migrate makes it there. The store connects to no keyspace,
// but to "@primary", in which vtgate goes by the names of tables alone:
//
//	store, err := mysql.Open(ctx, "app:secret@tcp(vtgate:3306)/@primary", mysql.Options{})
//	err = store.Migrate(ctx)
//
// By that name Open knows Vitess. It sets transaction_mode to single, as the store needs no transactions over several shards. For a pool of
// one's own there is Options.Vitess of package mysql.
package vschema

import (
	_ "embed" // the two files
	"strings"
)

var (
	//go:embed sharded.json
	sharded string
	//go:embed unsharded.json
	unsharded string
)

// defaultPrefix is mysql.DefaultTablePrefix, which is in the files.
const defaultPrefix = "watchword_"

// Sharded is the VSchema, as JSON, of the keyspace of sessions, where the names of the tables begin with prefix. The keyspace may have any
// number of shards.
func Sharded(prefix string) string { return strings.ReplaceAll(sharded, defaultPrefix, prefix) }

// Unsharded is the VSchema, as JSON, of the keyspace of all other tables, which has one shard.
func Unsharded(prefix string) string { return strings.ReplaceAll(unsharded, defaultPrefix, prefix) }
