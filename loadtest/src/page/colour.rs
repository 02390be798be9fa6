//! Colour: who is drawn how, on white and on black paper, and with which dashes for those who see no colours.
//!
//! Plots carry the colours of white paper as they are; on a dark screen rules of style put others in their place, by
//! the very value, and give lines their dashes: the drawing library knows neither.

use plotters::style::RGBColor;

use crate::series;

/// One colour: on white, on black, and the dashes of its lines.
#[derive(Debug)]
struct Colour {
    light: &'static str,
    dark: &'static str,
    dashes: &'static str,
}

const fn colour(light: &'static str, dark: &'static str, dashes: &'static str) -> Colour {
    Colour { light, dark, dashes }
}

/// After Okabe and Ito's, which colour-blind people tell apart: Holdfast's, the floor's, then the others' in turn.
const PALETTE: [Colour; 8] = [
    colour("#0072B2", "#56B4E9", "none"),
    colour("#6E6E6E", "#B0B0B0", "3 9"),
    colour("#D55E00", "#FF8A3D", "20 8"),
    colour("#00855F", "#2FC79B", "10 7"),
    colour("#B85C93", "#E6A3C8", "26 6 4 6"),
    colour("#B07A00", "#F2B84B", "14 5 3 5 3 5"),
    colour("#5B3A8C", "#B99CEB", "5 5"),
    colour("#6B4E16", "#C9A45C", "34 12"),
];
const HOLDFAST: usize = 0;
const FLOOR: usize = 1;
const OTHERS: usize = 2;

/// Text and marks; notes; lines of the grid.
pub(super) const INK: &str = "#1B1F24";
pub(super) const MUTED: &str = "#5A6270";
pub(super) const GRID: &str = "#D9DDE3";
const PAPERS: [(&str, &str); 3] = [(INK, "#E6E8EB"), (MUTED, "#A9B1BC"), (GRID, "#3A4049")];

/// The colour of `rival`, who stands at `place` in the document's list.
pub(super) fn of_rival(rival: &str, place: usize) -> &'static str {
    match rival {
        series::HOLDFAST => nth(HOLDFAST),
        series::FLOOR => nth(FLOOR),
        _ => PALETTE[OTHERS + place % (PALETTE.len() - OTHERS)].light,
    }
}

/// A colour for things that are no rivals.
pub(super) fn nth(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()].light
}

/// The colour as the drawing library takes it.
pub(super) fn rgb(colour: &str) -> RGBColor {
    let part = |at| colour.get(at).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    match (part(1..3), part(3..5), part(5..7)) {
        (Some(red), Some(green), Some(blue)) => RGBColor(red, green, blue),
        _ => RGBColor(0, 0, 0),
    }
}

/// The rules of style that make dashes, and a dark screen's colours.
pub(super) fn rules() -> String {
    let mut rules = String::new();
    for Colour { light, dashes, .. } in &PALETTE {
        rules.push_str(&format!("polyline[stroke=\"{light}\"],.keys [stroke=\"{light}\"]"));
        rules.push_str(&format!("{{stroke-dasharray:{dashes}}}\n"));
    }
    rules.push_str("@media screen and (prefers-color-scheme:dark){\n");
    let colours = PALETTE.iter().map(|colour| (colour.light, colour.dark)).chain(PAPERS);
    for (light, dark) in colours {
        rules.push_str(&format!("svg [stroke=\"{light}\"]{{stroke:{dark}}}"));
        rules.push_str(&format!("svg [fill=\"{light}\"]{{fill:{dark}}}\n"));
    }
    rules.push('}');
    rules
}
