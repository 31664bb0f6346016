package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/watchword-dev/watchword/session"
)

// The parsers of values. Their errors follow the variable's name in a sentence.

type (
	duration = time.Duration
	sameSite = http.SameSite
	parser   = func(*Config, string) error
)

func text(field func(*Config) *string) parser {
	return func(c *Config, v string) error {
		*field(c) = v
		return nil
	}
}

func address(field func(*Config) *string) parser {
	return func(c *Config, v string) error {
		_, port, err := net.SplitHostPort(v)
		if err != nil {
			return fmt.Errorf("is %q: it must be host:port, such as 127.0.0.1:8080", v)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("is %q: its port must be a number from 0 to 65535", v)
		}
		*field(c) = v
		return nil
	}
}

var errDSN = errors.New("is not of the form user:password@tcp(host:3306)/database?parameter=value")

// dsn never repeats the value, nor what the driver says of it: a DSN that was misread may show its password there.
func dsn(field func(*Config) *string) parser {
	return func(c *Config, v string) error {
		parsed, err := mysql.ParseDSN(v)
		if err != nil {
			return errDSN
		}
		if parsed.DBName == "" {
			return errors.New("names no database: it ends in /database")
		}
		*field(c) = v
		return nil
	}
}

var validTablePrefix = regexp.MustCompile(`^[A-Za-z0-9_]{1,32}$`)

func tablePrefix(field func(*Config) *string) parser {
	return func(c *Config, v string) error {
		if !validTablePrefix.MatchString(v) {
			return fmt.Errorf("is %q: it must be 1 to 32 ASCII letters, digits and underscores", v)
		}
		*field(c) = v
		return nil
	}
}

func parseDuration(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("is %q: it must be a duration, such as 90s, 15m or 720h", v)
	}
	return d, nil
}

func positive(field func(*Config) *duration) parser {
	return func(c *Config, v string) error {
		d, err := parseDuration(v)
		if err != nil {
			return err
		}
		if d <= 0 {
			return fmt.Errorf("is %q: it must be more than 0", v)
		}
		*field(c) = d
		return nil
	}
}

func notNegative(field func(*Config) *duration) parser {
	return func(c *Config, v string) error {
		d, err := parseDuration(v)
		if err != nil {
			return err
		}
		if d < 0 {
			return fmt.Errorf("is %q: it must not be negative", v)
		}
		*field(c) = d
		return nil
	}
}

// zeroMeans reads 0 as a value of the library's own; in its Config zero means the default.
func zeroMeans(none duration, field func(*Config) *duration) parser {
	return func(c *Config, v string) error {
		if err := notNegative(field)(c, v); err != nil {
			return err
		}
		if d := field(c); *d == 0 {
			*d = none
		}
		return nil
	}
}

func count(field func(*Config) *int) parser {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("is %q: it must be a whole number, 0 or more", v)
		}
		*field(c) = n
		return nil
	}
}

func atLeastOne(field func(*Config) *int) parser {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("is %q: it must be a whole number, 1 or more", v)
		}
		*field(c) = n
		return nil
	}
}

// keyEncryption never repeats the value.
func keyEncryption(field func(*Config) *session.Config) parser {
	return func(c *Config, v string) error {
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
		s := field(c)
		s.KeyEncryption, s.AcceptUnsealedKeys = encryption, true
		return nil
	}
}

var algorithms = []option[session.Algorithm]{
	{"HS256", session.HS256}, {"HS512", session.HS512}, {"EdDSA", session.EdDSA}, {"ES256", session.ES256}, {"RS256", session.RS256},
}

type option[T any] struct {
	name  string
	value T
}

var sameSites = []option[sameSite]{
	{"lax", http.SameSiteLaxMode}, {"strict", http.SameSiteStrictMode}, {"none", http.SameSiteNoneMode},
}

func choice[T any](field func(*Config) *T, options []option[T]) parser {
	return func(c *Config, v string) error {
		var names []string
		for _, o := range options {
			if o.name == v {
				*field(c) = o.value
				return nil
			}
			names = append(names, o.name)
		}
		return fmt.Errorf("is %q: it must be %s", v, strings.Join(names, " or "))
	}
}

func apiPath(field func(*Config) *string) parser {
	return func(c *Config, v string) error {
		if v != "/" && v != "/api" && v != "/api/" {
			return fmt.Errorf("is %q: it must cover the routes of the demo, so / or /api", v)
		}
		*field(c) = v
		return nil
	}
}

func status(field func(*Config) *int) parser {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 400 || n > 499 {
			return fmt.Errorf("is %q: it must be a number from 400 to 499", v)
		}
		*field(c) = n
		return nil
	}
}

func list(field func(*Config) *[]string) parser {
	return func(c *Config, v string) error {
		var items []string
		for item := range strings.SplitSeq(v, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		*field(c) = items
		return nil
	}
}

func flag(field func(*Config) *bool) parser {
	return func(c *Config, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("is %q: it must be 1 or 0, true or false", v)
		}
		*field(c) = b
		return nil
	}
}

func optionalFlag(field func(*Config) **bool) parser {
	return func(c *Config, v string) error {
		var b bool
		if err := flag(func(*Config) *bool { return &b })(c, v); err != nil {
			return err
		}
		*field(c) = &b
		return nil
	}
}
