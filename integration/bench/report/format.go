package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/watchword-dev/watchword/integration/bench/measure"
)

// Times writes a ratio: "1.23 × (1.20 to 1.31)".
func Times(s measure.Spread) string { return spread(s, Number, " ×") }

// Count writes a number of things: "34,512 (33,900 to 35,020)".
func Count(s measure.Spread) string { return spread(s, Number, "") }

// Duration writes nanoseconds in the unit that suits the median: "212 ns (205 to 231)".
func Duration(ns measure.Spread) string {
	unit, name := 1.0, " ns"
	for _, u := range []struct {
		size float64
		name string
	}{{1e3, " µs"}, {1e6, " ms"}, {1e9, " s"}} {
		if ns.Median >= u.size {
			unit, name = u.size, u.name
		}
	}
	return spread(measure.Spread{Median: ns.Median / unit, Low: ns.Low / unit, High: ns.High / unit}, Number, name)
}

// Bytes writes a size: "1.4 MiB".
func Bytes(n float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if math.Abs(n) >= u.size {
			return Number(n/u.size) + u.name
		}
	}
	return Number(n) + " B"
}

func spread(s measure.Spread, number func(float64) string, unit string) string {
	if s.Low == s.High {
		return number(s.Median) + unit
	}
	return fmt.Sprintf("%s%s (%s to %s)", number(s.Median), unit, number(s.Low), number(s.High))
}

// Number writes three digits that matter, and all of those before the point, in groups of three.
func Number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "none"
	}
	decimals := 0
	for limit := 100.0; decimals < 2 && math.Abs(x) < limit && x != math.Trunc(x); limit /= 10 {
		decimals++
	}
	if x != 0 && math.Abs(x) < 0.1 {
		decimals = 3
	}
	whole, fraction, found := strings.Cut(strconv.FormatFloat(math.Abs(x), 'f', decimals, 64), ".")
	var b strings.Builder
	if x < 0 {
		b.WriteByte('-')
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if found {
		b.WriteByte('.')
		b.WriteString(fraction)
	}
	return b.String()
}
