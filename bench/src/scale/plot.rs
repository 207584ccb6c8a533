//! Plots the points of all runs: one panel for each measure, over the events so far.

use std::path::Path;

use anyhow::Context;
use plotters::prelude::*;

use crate::scale::points::{Measured, Point};

const WIDTH: u32 = 900;
const PANEL_HEIGHT: u32 = 220;
const COLOURS: [RGBColor; 2] = [RGBColor(0x1f, 0x77, 0xb4), RGBColor(0xd6, 0x27, 0x28)];

struct Panel {
    title: &'static str,
    value: fn(&Point) -> f64,
}

const PANELS: [Panel; 5] = [
    Panel { title: "events per second", value: Point::events_per_second },
    Panel { title: "CPU of the handler, microseconds per event", value: Point::cpu_micros },
    Panel { title: "resident memory of the handler, MB", value: Point::resident_megabytes },
    Panel { title: "write units per event", value: Point::write_units },
    Panel { title: "read units per event", value: Point::read_units },
];

/// The legend is in the topmost panel only, which has room for it.
#[derive(PartialEq)]
enum Legend {
    Shown,
    Above,
}

pub(crate) fn draw(path: &Path, runs: &[Measured]) -> anyhow::Result<()> {
    let height = PANEL_HEIGHT * u32::try_from(PANELS.len())?;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let areas = area.split_evenly((PANELS.len(), 1));
    for (number, (area, panel)) in areas.iter().zip(&PANELS).enumerate() {
        let legend = if number == 0 { Legend::Shown } else { Legend::Above };
        draw_panel(area, panel, legend, runs)?;
    }
    area.present().context("cannot write the picture")
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    panel: &Panel,
    legend: Legend,
    runs: &[Measured],
) -> anyhow::Result<()> {
    let lines: Vec<_> = runs.iter().map(|run| line(&run.points, panel.value)).collect();
    let points = || lines.iter().flatten();
    let right = points().map(|(events, _)| *events).fold(0.0, f64::max);
    let top = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let room = if legend == Legend::Shown { 1.4 } else { 1.1 };
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 16))
        .margin(8)
        .margin_right(24)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..right, 0.0..(top * room).max(0.1))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(11)
        .y_labels(6)
        .x_label_formatter(&|events| format!("{events:.0}"))
        .draw()?;
    for ((run, line), colour) in runs.iter().zip(lines).zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(run.pattern.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    if legend == Legend::Shown {
        let labels = &mut chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperRight).background_style(WHITE).draw()?;
    }
    Ok(())
}

/// The values of a measure over the events so far.
fn line(points: &[Point], value: fn(&Point) -> f64) -> Vec<(f64, f64)> {
    let mut events = 0.0;
    points
        .iter()
        .map(|point| {
            events += point.taken.applied;
            (events, value(point))
        })
        .collect()
}
