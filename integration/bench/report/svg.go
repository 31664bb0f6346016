package report

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The measures of a picture, on a white ground whatever the theme of the page.
const (
	width      vg.Length = 720
	margin     vg.Length = 14
	lineHeight vg.Length = 380
	barHeight  vg.Length = 30
	barWidth   vg.Length = 18
	gap        vg.Length = 16
)

// colours can be told apart by those who see fewer of them (Okabe and Ito); lines differ in their marks as well.
var (
	colours = []color.RGBA{
		{0x00, 0x72, 0xB2, 0xFF}, {0xD5, 0x5E, 0x00, 0xFF}, {0x00, 0x9E, 0x73, 0xFF}, {0xCC, 0x79, 0xA7, 0xFF},
		{0x8C, 0x6D, 0x00, 0xFF}, {0x56, 0xB4, 0xE9, 0xFF}, {0x00, 0x00, 0x00, 0xFF},
	}
	glyphs = []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.TriangleGlyph{}, draw.SquareGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{}, draw.BoxGlyph{}, draw.CrossGlyph{},
	}
	grid = color.Gray{Y: 0xDD}
)

// SVG draws the plot.
func (p Plot) SVG() ([]byte, error) {
	if (len(p.Bars) == 0) == (len(p.Lines) == 0) {
		return nil, errors.New("it must have either bars or lines")
	}
	pl := plot.New()
	sans := font.Font{Typeface: "Liberation", Variant: "Sans"}
	for style, size := range map[*text.Style]vg.Length{
		&pl.Title.TextStyle: 14, &pl.X.Label.TextStyle: 12, &pl.Y.Label.TextStyle: 12, &pl.X.Tick.Label: 11, &pl.Y.Tick.Label: 11, &pl.Legend.TextStyle: 11,
	} {
		style.Font = font.From(sans, size)
	}
	pl.Title.Text, pl.Title.Padding = p.Title, 10
	pl.X.Label.Text, pl.Y.Label.Text = p.XLabel, p.YLabel
	pl.X.Label.Padding, pl.Y.Label.Padding = 6, 6

	height := lineHeight
	var err error
	if len(p.Bars) > 0 {
		height = barHeight*vg.Length(len(p.Bars)) + 90
		err = p.bars(pl, sans)
	} else {
		err = p.lines(pl)
	}
	if err != nil {
		return nil, err
	}
	picture := vgsvg.NewWith(vgsvg.UseWH(width, height))
	canvas := draw.Crop(draw.NewCanvas(picture, width, height), margin, -margin, margin, -margin)
	canvas.SetColor(color.White)
	var ground vg.Path
	ground.Move(vg.Point{})
	ground.Line(vg.Point{X: width})
	ground.Line(vg.Point{X: width, Y: height})
	ground.Line(vg.Point{Y: height})
	ground.Close()
	canvas.Fill(ground)
	legend := pl.Legend
	pl.Legend = plot.NewLegend()
	if len(p.Lines) > 1 { // beside the lines, where it hides none
		legend.Padding, legend.Top, legend.Left = 6, true, true
		size := legend.Rectangle(canvas).Size()
		legend.Draw(draw.Crop(canvas, canvas.Max.X-canvas.Min.X-size.X-6, 0, 0, -2*gap))
		canvas = draw.Crop(canvas, 0, -size.X-6-gap, 0, 0)
	}
	pl.Draw(canvas)
	var out bytes.Buffer
	if _, err := picture.WriteTo(&out); err != nil {
		return nil, err
	}
	return withFallbacks(out.Bytes()), nil
}

// withFallbacks names fonts for those who do not have the one that the picture was laid out with; they are as wide.
func withFallbacks(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans"), []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif"))
}

// bars lie, so that their names can be read, the first on top.
func (p Plot) bars(pl *plot.Plot, sans font.Font) error {
	n := len(p.Bars)
	values, names := make(plotter.Values, n), make([]string, n)
	labels := plotter.XYLabels{XYs: make(plotter.XYs, n), Labels: make([]string, n)}
	most := 0.0
	for i, bar := range p.Bars {
		at := n - 1 - i
		values[at], names[at] = bar.Value, bar.Name
		labels.XYs[at], labels.Labels[at] = plotter.XY{X: bar.Value, Y: float64(at)}, Number(bar.Value)
		most = max(most, bar.Value)
	}
	chart, err := plotter.NewBarChart(values, barWidth)
	if err != nil {
		return err
	}
	chart.Horizontal, chart.Color, chart.LineStyle.Width = true, colours[0], 0
	figures, err := plotter.NewLabels(labels)
	if err != nil {
		return err
	}
	for i := range figures.TextStyle {
		figures.TextStyle[i].Font = font.From(sans, 11)
		figures.TextStyle[i].YAlign = text.YCenter
	}
	figures.Offset = vg.Point{X: 5}
	pl.X.Label.Text, pl.Y.Label.Text = p.YLabel, p.XLabel // they lie
	pl.NominalY(names...)
	pl.Y.Tick.Label.Font = font.From(sans, 11)
	pl.Add(chart, figures)
	pl.X.Min, pl.X.Max = 0, most*1.1
	return nil
}

func (p Plot) lines(pl *plot.Plot) error {
	lowest, highest := math.Inf(1), math.Inf(-1)
	left, right := math.Inf(1), math.Inf(-1)
	lines := plotter.NewGrid()
	lines.Horizontal.Color, lines.Vertical.Color = grid, grid
	pl.Add(lines)
	for i, l := range p.Lines {
		if len(l.X) != len(l.Y) || len(l.X) == 0 {
			return fmt.Errorf("line %q: %d and %d values", l.Name, len(l.X), len(l.Y))
		}
		points := make(plotter.XYs, len(l.X))
		for j := range points {
			points[j] = plotter.XY{X: l.X[j], Y: l.Y[j]}
			if p.LogX && l.X[j] <= 0 || p.LogY && l.Y[j] <= 0 {
				return fmt.Errorf("line %q: (%v, %v) does not lie on a logarithmic axis", l.Name, l.X[j], l.Y[j])
			}
			left, right = min(left, l.X[j]), max(right, l.X[j])
			lowest, highest = min(lowest, l.Y[j]), max(highest, l.Y[j])
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("line %q: %w", l.Name, err)
		}
		line.Color, line.Width = colours[i%len(colours)], 1.6
		marks.Color, marks.Shape, marks.Radius = line.Color, glyphs[i%len(glyphs)], 3
		if len(points) > 40 {
			marks.Radius = 0 // they would run together
		}
		pl.Add(line, marks)
		pl.Legend.Add(l.Name, line, marks)
	}
	axis(&pl.X, p.LogX, left, right)
	if !p.LogY {
		lowest = min(lowest, 0)
	}
	axis(&pl.Y, p.LogY, lowest, highest)
	return nil
}

// axis leaves some room beyond the values.
func axis(a *plot.Axis, logarithmic bool, low, high float64) {
	if low == high {
		high = low + max(math.Abs(low), 1)
	}
	if !logarithmic {
		room := (high - low) / 25
		if low == 0 {
			a.Min, a.Max = 0, high+room
		} else {
			a.Min, a.Max = low-room, high+room
		}
		a.Tick.Marker = plot.TickerFunc(func(low, high float64) []plot.Tick {
			ticks := plot.DefaultTicks{}.Ticks(low, high)
			for i := range ticks {
				if ticks[i].Label != "" {
					ticks[i].Label = short(ticks[i].Value)
				}
			}
			return ticks
		})
		return
	}
	room := math.Pow(high/low, 1.0/25)
	a.Min, a.Max = low/room, high*room
	if high/low < 10 { // so that there are at least two marks with a number
		a.Min, a.Max = mark(low, false), mark(high, true)
	}
	a.Scale = plot.LogScale{}
	a.Tick.Marker = plot.TickerFunc(decades)
}

// decades marks 1, 2 and 5 of each power of ten where there are few of them, and the powers alone where there are many.
func decades(low, high float64) []plot.Tick {
	few := math.Log10(high/low) < 2.5
	var ticks []plot.Tick
	for power := math.Pow10(int(math.Floor(math.Log10(low)))); power <= high; power *= 10 {
		for digit := 1.0; digit < 10; digit++ {
			value := power * digit
			if value < low || value > high {
				continue
			}
			tick := plot.Tick{Value: value}
			if digit == 1 || few && (digit == 2 || digit == 5) {
				tick.Label = short(value)
			}
			ticks = append(ticks, tick)
		}
	}
	return ticks
}

// mark finds the nearest of 1, 2 and 5 times a power of ten below a number, or above.
func mark(x float64, above bool) float64 {
	power := math.Pow10(int(math.Floor(math.Log10(x))))
	digits := []float64{1, 2, 5, 10}
	i := 0
	for digits[i+1] <= x/power {
		i++
	}
	if above && x/power > digits[i] {
		i++
	}
	return power * digits[i]
}

// short writes an axis's number: "10 k", "2.5 M".
func short(x float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e4, " k"}} {
		if math.Abs(x) >= u.size {
			if u.size == 1e4 {
				u.size = 1e3
			}
			return trim(x/u.size) + u.name
		}
	}
	return trim(x)
}

func trim(x float64) string { return fmt.Sprintf("%.4g", x) }
