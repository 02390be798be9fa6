//! Plot: lines over an axis, and bars under each other, as SVG to stand inside a page.
//!
//! Draws what it is given and leaves out what is no number. Labels stand over their bars, so that long names fit a
//! narrow screen. Knows no rival and no scenario.

use std::ops::Range;

use anyhow::Context;
use minijinja::{HtmlEscape, Value};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::colour::{self, GRID, INK, MUTED};

/// Units of the drawing, not of the screen: a page shows it at about half of that.
const WIDTH: u32 = 840;
const HEIGHT: u32 = 540;
const FONT_SIZE: u32 = 32;
const LINE_WIDTH: u32 = 4;
const LANE_HEIGHT: u32 = 84;
const LANE_AXIS_HEIGHT: u32 = 76;
/// Label and value of one lane together.
const LANE_TEXT_CHARS: usize = 57;
/// As a share of its lane: where the text is in the middle of, and where the bar begins and ends.
const LANE_TEXT: f64 = 0.3;
const LANE_BAR: (f64, f64) = (0.56, 0.9);
const TICKS_MAX: u32 = 12;
/// With so few points a line hides where it was measured.
const DOTTED_POINTS_MAX: usize = 3;

/// One axis: which values it holds, where its ticks are, and how they are written.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    name: String,
    from: f64,
    to: f64,
    ticks: Vec<f64>,
    is_log: bool,
    write: fn(f64) -> String,
}

/// Points from left to right.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) colour: &'static str,
    pub(super) points: Vec<(f64, f64)>,
}

/// One bar with its text over it.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) label: String,
    /// The figure in words, at the right.
    pub(super) value: String,
    pub(super) colour: &'static str,
    pub(super) bar: (f64, f64),
    /// Smallest and largest.
    pub(super) whisker: Option<(f64, f64)>,
    /// Something to reach.
    pub(super) mark: Option<f64>,
}

impl Axis {
    /// From 0 to a little beyond the largest of `values`.
    pub(super) fn linear(name: &str, values: impl Iterator<Item = f64>, write: fn(f64) -> String) -> Self {
        let largest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let to = if largest > 0.0 { largest * 1.04 } else { 1.0 };
        let step = step(to / 7.0);
        let ticks =
            (0..TICKS_MAX).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= to).collect();
        Self { name: name.to_owned(), from: 0.0, to, ticks, is_log: false, write }
    }

    /// By factors of ten, around those of `values` that are above 0.
    pub(super) fn log(name: &str, values: impl Iterator<Item = f64>, write: fn(f64) -> String) -> Self {
        let values = values.filter(|value| value.is_finite() && *value > 0.0);
        let (least, largest) =
            values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        let (from, to) = if least <= largest { (least / 1.3, largest * 1.3) } else { (1.0, 10.0) };
        let is_narrow = to / from < 200.0;
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(from.log10().floor());
        while decade <= to && decade > 0.0 {
            let factors: &[f64] = if is_narrow { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let within = |tick: &f64| (from..=to).contains(tick);
            ticks.extend(factors.iter().map(|factor| decade * factor).filter(within));
            decade *= 10.0;
        }
        Self { name: name.to_owned(), from, to, ticks, is_log: true, write }
    }

    /// From 0 to `to` with a tick at each whole number.
    pub(super) fn whole(name: &str, to: f64, write: fn(f64) -> String) -> Self {
        let to = to.clamp(1.0, f64::from(TICKS_MAX));
        let ticks = (0..=TICKS_MAX).map(f64::from).take_while(|tick| *tick <= to).collect();
        Self { name: name.to_owned(), from: 0.0, to, ticks, is_log: false, write }
    }

    /// Where `value` is; none for what the axis cannot show.
    fn at(&self, value: f64) -> Option<f64> {
        let is_shown = value.is_finite() && (!self.is_log || value > 0.0);
        is_shown.then(|| self.scaled(value.clamp(self.from, self.to)))
    }

    fn scaled(&self, value: f64) -> f64 {
        if self.is_log { value.log10() } else { value }
    }

    fn coordinate(&self) -> Ticked {
        let ticks = self.ticks.iter().map(|tick| self.scaled(*tick)).collect();
        Ticked { inner: (self.scaled(self.from)..self.scaled(self.to)).into(), ticks }
    }

    fn label(&self, scaled: f64) -> String {
        (self.write)(if self.is_log { 10_f64.powf(scaled) } else { scaled })
    }
}

/// A coordinate whose ticks are given. The library's own cannot be labelled: its floats bring a format of their own.
struct Ticked {
    inner: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ranged for Ticked {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.inner.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.inner.range()
    }
}

/// The next of 1, 2, 5, 10, 20, … above `least`.
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    let fits = |factor: &&f64| decade * **factor >= least;
    decade * [1.0, 2.0, 5.0].iter().find(fits).copied().unwrap_or(10.0)
}

/// A tick's value in few characters: `120 k`, `1.2 M`, `0.05`.
pub(super) fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, " M"),
        size if size >= 1e3 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    // Three decimals, without the zeroes behind: floats are printed as they are, and 0.1 + 0.2 is not 0.3.
    let digits = format!("{value:.3}");
    format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Lines over `x`; none when there is no point to draw. `name` is read out to those who do not see it.
pub(super) fn lines(name: &str, x: &Axis, y: &Axis, lines: &[Line]) -> anyhow::Result<Option<Value>> {
    let shown = lines.iter().map(|line| {
        let points = line.points.iter().filter_map(|(along, up)| Some((x.at(*along)?, y.at(*up)?)));
        (colour::rgb(line.colour), points.collect::<Vec<_>>())
    });
    let shown: Vec<(RGBColor, Vec<(f64, f64)>)> = shown.filter(|(_, points)| !points.is_empty()).collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin_top(16)
            .margin_right(60)
            .x_label_area_size(84)
            .y_label_area_size(132)
            .build_cartesian_2d(x.coordinate(), y.coordinate())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(colour::rgb(GRID))
            .axis_style(colour::rgb(MUTED))
            .label_style(font().color(&colour::rgb(INK)))
            .x_label_formatter(&|value| x.label(*value))
            .y_label_formatter(&|value| y.label(*value))
            .x_desc(x.name.as_str())
            .y_desc(y.name.as_str())
            .draw()?;
        for (colour, points) in shown {
            if points.len() <= DOTTED_POINTS_MAX {
                chart
                    .draw_series(points.iter().map(|point| Circle::new(*point, 7, colour.filled())))
                    .map(drop)?;
            }
            chart.draw_series(LineSeries::new(points, colour.stroke_width(LINE_WIDTH))).map(drop)?;
        }
        area.present()?;
    }
    finished(name, &svg).map(Some)
}

/// Bars under each other; none when there is none. Each has a line where `x` is `must`.
pub(super) fn lanes(
    name: &str,
    x: &Axis,
    lanes: &[Lane],
    must: Option<f64>,
) -> anyhow::Result<Option<Value>> {
    if lanes.is_empty() {
        return Ok(None);
    }
    let count = u32::try_from(lanes.len()).context("more bars than a plot can hold")?;
    let mut svg = String::new();
    {
        let size = (WIDTH, count * LANE_HEIGHT + LANE_AXIS_HEIGHT);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // The first lane is at the top.
        let mut chart = ChartBuilder::on(&area)
            .margin_left(24)
            .margin_right(40)
            .x_label_area_size(LANE_AXIS_HEIGHT)
            .build_cartesian_2d(x.coordinate(), f64::from(count)..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(TRANSPARENT)
            .bold_line_style(colour::rgb(GRID))
            .axis_style(colour::rgb(MUTED))
            .label_style(font().color(&colour::rgb(INK)))
            .x_label_formatter(&|value| x.label(*value))
            .x_desc(x.name.as_str())
            .draw()?;
        let ink = colour::rgb(INK);
        for (lane, top) in lanes.iter().zip((0..count).map(f64::from)) {
            let (bar_top, bar_bottom) = (top + LANE_BAR.0, top + LANE_BAR.1);
            if let (Some(from), Some(to)) = (x.at(lane.bar.0), x.at(lane.bar.1)) {
                let corners = [(from.min(to), bar_top), (from.max(to), bar_bottom)];
                let bar = Rectangle::new(corners, colour::rgb(lane.colour).filled());
                chart.draw_series([bar]).map(drop)?;
            }
            let stroke = |points: Vec<(f64, f64)>| PathElement::new(points, ink.stroke_width(LINE_WIDTH));
            if let Some((least, most)) = lane.whisker.and_then(|(from, to)| Some((x.at(from)?, x.at(to)?))) {
                let middle = top + (LANE_BAR.0 + LANE_BAR.1) / 2.0;
                let cap = |at: f64| stroke(vec![(at, middle - 0.1), (at, middle + 0.1)]);
                let whisker = stroke(vec![(least, middle), (most, middle)]);
                chart.draw_series([whisker, cap(least), cap(most)]).map(drop)?;
            }
            for (at, width) in [(must, 3), (lane.mark, 9)] {
                let Some(at) = at.and_then(|at| x.at(at)) else { continue };
                let points = vec![(at, bar_top - 0.06), (at, bar_bottom + 0.06)];
                chart.draw_series([PathElement::new(points, ink.stroke_width(width))]).map(drop)?;
            }
            let text = |text: String, at: f64, side: HPos| {
                let style = font().color(&ink).pos(Pos::new(side, VPos::Center));
                Text::new(text, (at, top + LANE_TEXT), style)
            };
            let room = LANE_TEXT_CHARS.saturating_sub(lane.value.chars().count());
            let label = text(cut(&lane.label, room), x.scaled(x.from), HPos::Left);
            let value = text(lane.value.clone(), x.scaled(x.to), HPos::Right);
            chart.draw_series([label, value]).map(drop)?;
        }
        area.present()?;
    }
    finished(name, &svg).map(Some)
}

fn font() -> FontDesc<'static> {
    ("sans-serif", FONT_SIZE).into_font()
}

/// `text`, with its end left out when it has more than `room` characters.
fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The drawing with a name to be read out, and without a size of its own: the page's width decides.
fn finished(name: &str, svg: &str) -> anyhow::Result<Value> {
    let (_, view) = svg.split_once("viewBox=").context("a drawing without a view")?;
    let name = HtmlEscape(name);
    Ok(Value::from_safe_string(format!("<svg role=\"img\" aria-label=\"{name}\" viewBox={view}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let ticks = |largest| Axis::linear("", [largest].into_iter(), short).ticks;
        assert_eq!(ticks(100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(9.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
        for largest in [1e-9, 0.3, 7.0, 1e12] {
            assert!((4..=8).contains(&ticks(largest).len()), "{largest}: {:?}", ticks(largest));
        }
        for values in [vec![], vec![0.0], vec![f64::NAN, f64::INFINITY]] {
            let axis = Axis::linear("", values.into_iter(), short);
            assert!(axis.to == 1.0 && axis.ticks.len() > 2, "{axis:?}");
        }
    }

    #[test]
    fn logarithmic_axis_holds_what_is_above_zero() {
        let axis = Axis::log("", [0.0, 90.0, f64::NAN, 40_000.0].into_iter(), short);
        assert_eq!(axis.ticks, [100.0, 1_000.0, 10_000.0]);
        assert_eq!((axis.at(0.0), axis.at(f64::NAN), axis.at(1_000.0)), (None, None, Some(3.0)));
        let narrow = Axis::log("", [1_000.0].into_iter(), short);
        assert_eq!(narrow.ticks, [1_000.0]);
        assert_eq!(Axis::log("", std::iter::empty(), short).ticks, [1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn nothing_is_drawn_from_nothing() {
        let axis = Axis::linear("", std::iter::empty(), short);
        let line = Line { colour: INK, points: vec![(f64::NAN, 1.0)] };
        assert!(lines("", &axis, &axis, &[line]).expect("drawn").is_none());
        assert!(lanes("", &axis, &[], None).expect("drawn").is_none());
    }

    #[test]
    fn values_and_labels_are_short() {
        let written = [0.0, 0.30000000000000004, 120_000.0, 1_200_000.0].map(short);
        assert_eq!(written, ["0", "0.3", "120 k", "1.2 M"]);
        assert_eq!(cut("postgres", 8), "postgres");
        assert_eq!(cut("postgres guarded", 10), "postgres…");
        assert_eq!(cut("ab", 0), "…");
    }
}
