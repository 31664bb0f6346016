// Package users knows who may log in to the demo: ids and argon2id hashes of passwords, in memory or in MySQL.
package users

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"
	"unicode/utf8"
)

// The errors that a caller decides by, beside *WeakPasswordError; a directory's ErrUnavailable of package session comes on top.
var (
	// ErrCredentials: no such user, or another password; nobody is told which.
	ErrCredentials = errors.New("invalid credentials")
	// ErrTaken: there is a user with this id already.
	ErrTaken = errors.New("user id is taken")
	// ErrUserID: the id is one that no session can have.
	ErrUserID = errors.New("a user id is 1 to 128 characters of valid UTF-8")
	// ErrFixed: this user's password is not to be changed.
	ErrFixed = errors.New("this user's password cannot be changed")
	// ErrBusy: too many passwords are being checked at once.
	ErrBusy = errors.New("too many passwords are being checked")
)

// openPassword is what logs anybody in where that is configured.
const openPassword = "watchword"

// Directory keeps the hashes of passwords by user id, compared byte for byte.
type Directory interface {
	// Add adds a user. ErrTaken: there is one with this id; nothing was changed.
	Add(ctx context.Context, userID, hash string) error
	// Hash returns the user's hash. False: there is no such user.
	Hash(ctx context.Context, userID string) (string, bool, error)
	// Replace puts another hash in the place of the one given. False: the user has a different one, or there is no such user;
	// nothing was changed.
	Replace(ctx context.Context, userID, old, next string) (bool, error)
}

// Users registers users and checks their passwords.
type Users struct {
	directory Directory
	hasher    *Hasher
	open      bool
	dummy     string // a hash that no password has
	published string // a password that everybody knows; empty: any may be used
	fixed     string // the user whose password stays what it is; empty: nobody's does
}

// New makes Users. With open any user id logs in with the password "watchword".
func New(directory Directory, hasher *Hasher, open bool) *Users {
	return &Users{directory: directory, hasher: hasher, open: open, dummy: hasher.unmatched()}
}

// Refuse lets nobody in with a password that everybody knows, also not where it was set before.
func (u *Users) Refuse(published string) { u.published = published }

// Register adds a user. The errors match ErrUserID, *WeakPasswordError, ErrTaken or ErrBusy, or are the directory's.
func (u *Users) Register(ctx context.Context, userID, password string) error {
	// JSON can name half a surrogate pair, which encoding/json reads as the replacement character: many texts become one.
	if n := utf8.RuneCountInString(userID); n < 1 || n > 128 || !utf8.ValidString(userID) || strings.ContainsRune(userID, utf8.RuneError) {
		return ErrUserID
	}
	if err := judge(userID, password, u.published); err != nil {
		return err
	}
	hash, err := u.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return u.directory.Add(ctx, userID, hash)
}

// Ensure registers a user unless there is one with this id. Whoever is told of the password is to get in with it, so Change
// refuses to change it.
func (u *Users) Ensure(ctx context.Context, userID, password string) error {
	u.fixed = userID
	if _, found, err := u.directory.Hash(ctx, userID); found || err != nil {
		return err
	}
	if err := u.Register(ctx, userID, password); !errors.Is(err, ErrTaken) {
		return err
	}
	return nil
}

// Authenticate checks a password. It takes as long for an id that nobody has as for another one. The errors match
// ErrCredentials or ErrBusy, or are the directory's.
func (u *Users) Authenticate(ctx context.Context, userID, password string) error {
	if u.open && subtle.ConstantTimeCompare([]byte(password), []byte(openPassword)) == 1 {
		return nil
	}
	if len(password) > maxPasswordBytes {
		return ErrCredentials // nobody's, and this is said without a look at the id
	}
	hash, found, err := u.directory.Hash(ctx, userID)
	if err != nil {
		return err
	}
	if !found {
		hash = u.dummy
	}
	matches, err := u.hasher.Matches(ctx, hash, password)
	if err != nil {
		return err
	}
	if !matches || !found || u.published != "" && password == u.published {
		return ErrCredentials
	}
	return nil
}

// Change gives a user another password, if the old one is right. To repeat a call whose answer was lost is no error: the new
// password is then the user's already. The errors match ErrFixed, ErrCredentials, *WeakPasswordError or ErrBusy, or are the
// directory's.
func (u *Users) Change(ctx context.Context, userID, old, next string) error {
	if u.fixed != "" && userID == u.fixed {
		return ErrFixed
	}
	hash, found, err := u.directory.Hash(ctx, userID)
	switch {
	case err != nil:
		return err
	case !found:
		return ErrFixed // logged in with the password of the open login, and has none
	}
	if err := judge(userID, next, u.published); err != nil {
		return err
	}
	matches, err := u.hasher.Matches(ctx, hash, old)
	if err != nil {
		return err
	}
	if !matches {
		if repeated, err := u.hasher.Matches(ctx, hash, next); err != nil || repeated {
			return err
		}
		return ErrCredentials
	}
	replacement, err := u.hasher.Hash(ctx, next)
	if err != nil {
		return err
	}
	replaced, err := u.directory.Replace(ctx, userID, hash, replacement)
	if err == nil && !replaced {
		return ErrCredentials // somebody else was faster: the old password is no longer right
	}
	return err
}
