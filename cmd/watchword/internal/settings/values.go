package settings

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// The parsers of values. Their errors follow the variable's name in a sentence; those of secrets never repeat the value.

type (
	duration = time.Duration
	parser   = func(*Settings, string) error
)

var errDSN = errors.New("is not of the form user:password@tcp(host:3306)/database?parameter=value")

func dsn(s *Settings, v string) error {
	parsed, err := driver.ParseDSN(v)
	switch {
	case err != nil || strings.ContainsAny(parsed.Net, ":@/"): // the latter is a DSN without its "tcp", and its password would be a network's name
		return errDSN
	case parsed.DBName == "":
		return errors.New("names no database: it ends in /database")
	}
	s.DSN = v
	return nil
}

var validPrefix = regexp.MustCompile(`^[A-Za-z0-9_]{1,32}$`)

func tablePrefix(s *Settings, v string) error {
	if !validPrefix.MatchString(v) {
		return fmt.Errorf("is %q: it must be 1 to 32 ASCII letters, digits and underscores", v)
	}
	s.TablePrefix = v
	return nil
}

func keyEncryption(s *Settings, v string) error {
	var keys []session.EncryptionKey
	for item := range strings.SplitSeq(v, ",") {
		number, secret, _ := strings.Cut(strings.TrimSpace(item), ":")
		version, err := strconv.ParseUint(number, 10, 32)
		raw, secretErr := base64.StdEncoding.DecodeString(secret)
		if err != nil || secretErr != nil || len(raw) != 32 {
			return errors.New("must be version:key, or several with commas between, each key 32 bytes in base64")
		}
		keys = append(keys, session.EncryptionKey{Version: uint32(version), Secret: raw})
	}
	encryption, err := session.NewKeyEncryption(keys[0], keys[1:]...)
	if err != nil {
		return errors.New("names one version twice")
	}
	s.Session.KeyEncryption = encryption
	return nil
}

func parseDuration(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("is %q: it must be a duration, such as 90s, 15m or 720h", v)
	}
	return d, nil
}

func positive(field func(*Settings) *duration) parser {
	return func(s *Settings, v string) error {
		d, err := parseDuration(v)
		if err != nil {
			return err
		}
		if d <= 0 {
			return fmt.Errorf("is %q: it must be more than 0", v)
		}
		*field(s) = d
		return nil
	}
}

// zeroMeans reads 0 as a value of the library's own; in its Config zero means the default.
func zeroMeans(none duration, field func(*Settings) *duration) parser {
	return func(s *Settings, v string) error {
		d, err := parseDuration(v)
		if err != nil {
			return err
		}
		if d < 0 {
			return fmt.Errorf("is %q: it must not be negative", v)
		}
		if d == 0 {
			d = none
		}
		*field(s) = d
		return nil
	}
}

func count(field func(*Settings) *int) parser {
	return func(s *Settings, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("is %q: it must be a whole number, 0 or more", v)
		}
		*field(s) = n
		return nil
	}
}

// choice reads one of several words, which are the values themselves.
func choice[T ~string](field func(*Settings) *T, options ...T) parser {
	return func(s *Settings, v string) error {
		var names []string
		for _, o := range options {
			if string(o) == v {
				*field(s) = o
				return nil
			}
			names = append(names, string(o))
		}
		return fmt.Errorf("is %q: it must be %s", v, strings.Join(names, " or "))
	}
}

func text(field func(*Settings) *string) parser {
	return func(s *Settings, v string) error {
		*field(s) = v
		return nil
	}
}

func words(field func(*Settings) *[]string) parser {
	return func(s *Settings, v string) error {
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*field(s) = append(*field(s), item)
			}
		}
		return nil
	}
}

func flag(field func(*Settings) *bool) parser {
	return func(s *Settings, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("is %q: it must be 1 or 0, true or false", v)
		}
		*field(s) = b
		return nil
	}
}

var errSameSite = errors.New("must be lax, strict or none")
