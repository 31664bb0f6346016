// Package logging shows how a session.Manager logs by the loggers that services have: log/slog, zerolog and zap. At the level of debugging
// it says why tokens were refused, and never shows one.
package logging
