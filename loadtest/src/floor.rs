//! Floor: how near the server comes to a bare endpoint that answers the same bytes.
//!
//! Each row of the design's performance budget that is a ratio to the floor is measured here, floor and server
//! in turn, round by round, with the same requests over the same number of connections. What measures is `load`.
//! Called by `main`.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::alone::Alone;
use crate::caller::{Caller, Reply};
use crate::floor_server::Sample;
use crate::load::{self, Choice, Endpoint, Load, Workload};
use crate::results::Pace;
use crate::sale::run_id;
use crate::series::HOLDFAST;
use crate::server::{self, Server};
use crate::shop::{Product, Shop};
use crate::wire::Style;
use crate::{floor_server, numbers, plenty, report};

const WARM_UP: Duration = Duration::from_millis(500);

/// How long and how often to measure.
#[derive(Debug, Serialize)]
pub(crate) struct FloorPlan {
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) spread_products: usize,
    pub(crate) generator_threads: usize,
}

/// One row of the budget.
#[derive(Debug)]
struct Row {
    name: String,
    must: f64,
    aim: f64,
    connections: usize,
    workload: Workload,
    floor: Endpoint,
}

/// What came out for one row.
#[derive(Debug, Serialize)]
pub(crate) struct RowReport {
    pub(crate) what: String,
    pub(crate) connections: usize,
    pub(crate) must: f64,
    pub(crate) aim: f64,
    pub(crate) ratio_min: f64,
    pub(crate) ratio_median: f64,
    pub(crate) ratio_max: f64,
    pub(crate) rounds: Vec<Round>,
}

/// Both rivals of one round.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) floor: Measured,
    pub(crate) server: Measured,
}

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) answers_per_second: f64,
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) generator_cpu_us: Option<f64>,
    /// Answers with another status than the row is about, and lost ones.
    pub(crate) unexpected: u64,
    pub(crate) body_bytes_mean: f64,
}

/// Measures every row for every round and prints the table.
///
/// # Errors
///
/// When the products cannot be made, or a server stops answering.
pub(crate) fn run(plan: &FloorPlan, server: &Server) -> anyhow::Result<Vec<RowReport>> {
    let rows = prepare(plan, server)?;
    let server = server::endpoint(HOLDFAST, server);
    let floors = rows.iter().flat_map(|row| &row.floor.processes);
    let everybody: Vec<u32> = server.processes.iter().chain(floors).copied().collect();
    let mut rounds: Vec<Vec<Round>> = rows.iter().map(|_| Vec::new()).collect();
    let measure_next = |row: &Row, endpoint: &Endpoint, number: u32| {
        let _alone = Alone::of(&endpoint.processes, &everybody);
        // Counted from 1, and the same for both: they get the same requests.
        measure(plan, row, endpoint, number + 1)
    };
    for number in 0..plan.rounds {
        for (row, rounds) in rows.iter().zip(&mut rounds) {
            // Who is first changes from round to round, so that neither always inherits a warm machine.
            let (floor, server) = if number % 2 == 0 {
                let floor = measure_next(row, &row.floor, number)?;
                (floor, measure_next(row, &server, number)?)
            } else {
                let server = measure_next(row, &server, number)?;
                (measure_next(row, &row.floor, number)?, server)
            };
            eprintln!(
                "round {} of {}: {}: floor {}/s, server {}/s",
                number + 1,
                plan.rounds,
                row.name,
                report::rate(floor.answers_per_second),
                report::rate(server.answers_per_second)
            );
            rounds.push(Round { floor, server });
        }
    }
    let reports: Vec<RowReport> = rows.iter().zip(rounds).map(|(row, rounds)| row.report(rounds)).collect();
    print!("{}", describe(&reports));
    Ok(reports)
}

/// Measures a floor server with a canned answer, without any server to compare: a check of the generator.
///
/// # Errors
///
/// When the floor server does not start.
pub(crate) fn drive_floor_only(plan: &FloorPlan) -> anyhow::Result<()> {
    let id = "prod_00000000-0000-7000-8000-000000000000";
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        line("content-type", "application/json"),
        line("x-request-id", "01900000-0000-7000-8000-000000000000"),
        line("journal-position", "0123456789abcdef0123"),
    ];
    let body = format!("{{\"order_id\":\"{id}\",\"filler\":\"{}\"}}", "x".repeat(120));
    let floor = floor_server::start(&Sample { status: 201, headers, body })?;
    println!("http://{}/api/v1/products/{id}/purchase", floor.address);
    let style = Style { host: floor.address.to_string(), run: run_id() };
    let workload = Workload::purchases(&style, vec![id.to_owned()], Choice::Uniform)?;
    let name = "the floor alone".to_owned();
    let mut row = Row { name, must: 0.0, aim: 0.0, connections: 64, workload, floor };
    for number in 0..plan.rounds {
        row.connections = if number % 2 == 0 { 64 } else { 256 };
        let measured = measure(plan, &row, &row.floor, number)?;
        println!(
            "{} connections: {} answers/s, floor {} µs, generator {} µs of CPU each",
            row.connections,
            report::rate(measured.answers_per_second),
            report::micros(measured.server_cpu_us),
            report::micros(measured.generator_cpu_us)
        );
    }
    Ok(())
}

/// Makes the products, takes a sample answer for each row, and starts a floor for it.
fn prepare(plan: &FloorPlan, server: &Server) -> anyhow::Result<Vec<Row>> {
    let host = server.address.to_string();
    let mut shop = server::enter(server)?;
    // Samples are taken as a buyer would, without the administrator's token.
    let mut buyer = Shop::new(Caller::new(server.address, host.clone()));
    let style = Style { host, run: run_id() };
    let busy = (Duration::from_secs_f64(plan.seconds) + WARM_UP) * plan.rounds;
    let stock = plenty::units(busy).context("--rounds times --seconds need too much stock")?;
    let hot = shop.create_product(&format!("hot-{}", style.run), stock)?;
    let read = shop.create_product(&format!("read-{}", style.run), plenty::UNITS_MIN)?;
    let gone = shop.create_product(&format!("gone-{}", style.run), 1)?;
    eprintln!("creating {} products", report::count(numbers::count(plan.spread_products)));
    let skus: Vec<String> =
        (0..plan.spread_products).map(|n| format!("spread-{}-{n:05}", style.run)).collect();
    let share = plenty::share(stock, u32::try_from(skus.len()).context("too many products")?);
    let spread = shop.create_products(&skus, share)?;
    let ids = |products: Vec<Product>| products.into_iter().map(|product| product.id).collect::<Vec<_>>();
    let purchases = |ids: Vec<String>| Workload::purchases(&style, ids, Choice::Uniform);
    let gone = Workload::refusals(&style, vec![gone.id])?;
    let last_unit = buyer.sample(gone.template().bytes())?;
    ensure!(last_unit.status == 201, "buying the only unit was answered {}", last_unit.status);
    let spread_name = format!("purchase, spread over {}", report::count(numbers::count(spread.len())));
    let get = Workload::reads(&style, vec![read.id], Choice::Uniform)?;
    let (hot, spread) = (purchases(vec![hot.id])?, purchases(ids(spread))?);
    Ok(vec![
        Row::new("purchase, one hot product", [0.45, 0.75], 64, hot, 201, &mut buyer)?,
        Row::new(&spread_name, [0.55, 0.85], 256, spread, 201, &mut buyer)?,
        Row::new("refusal, sold out", [0.8, 1.0], 64, gone, 409, &mut buyer)?,
        Row::new("GET one product", [0.7, 0.95], 64, get, 200, &mut buyer)?,
    ])
}

impl Row {
    fn new(
        name: &str,
        [must, aim]: [f64; 2],
        connections: usize,
        workload: Workload,
        expected_status: u16,
        buyer: &mut Shop,
    ) -> anyhow::Result<Self> {
        let sample = buyer.sample(workload.template().bytes())?;
        ensure!(sample.status == expected_status, "{name}: the sample was answered {}", sample.status);
        let floor = floor_server::start(&sample_of(&sample)?)?;
        let name = name.to_owned();
        Ok(Self { name, must, aim, connections, workload, floor })
    }

    fn report(&self, rounds: Vec<Round>) -> RowReport {
        let ratios: Vec<f64> = rounds.iter().map(Round::ratio).collect();
        let (ratio_min, ratio_median, ratio_max) = numbers::spread(&ratios).unwrap_or_default();
        RowReport {
            what: self.name.clone(),
            connections: self.connections,
            must: self.must,
            aim: self.aim,
            ratio_min,
            ratio_median,
            ratio_max,
            rounds,
        }
    }
}

impl Round {
    fn ratio(&self) -> f64 {
        if self.floor.answers_per_second == 0.0 {
            return 0.0;
        }
        self.server.answers_per_second / self.floor.answers_per_second
    }
}

impl RowReport {
    /// True when the middle round reaches the must and every answer was of the kind the row is about.
    pub(crate) fn is_met(&self) -> bool {
        self.ratio_median >= self.must && self.unexpected() == 0
    }

    fn unexpected(&self) -> u64 {
        self.rounds.iter().map(|round| round.server.unexpected + round.floor.unexpected).sum()
    }
}

/// The sample without what actix-web adds by itself.
pub(crate) fn sample_of(reply: &Reply) -> anyhow::Result<Sample> {
    let own = ["content-length", "date", "connection", "transfer-encoding"];
    let is_own = |name: &str| own.iter().any(|own| name.eq_ignore_ascii_case(own));
    Ok(Sample {
        status: reply.status,
        headers: reply.headers.iter().filter(|(name, _)| !is_own(name)).cloned().collect(),
        body: String::from_utf8(reply.body.clone()).context("an answer that is not UTF-8")?,
    })
}

/// Drives one endpoint for the warm-up and the measured time.
fn measure(plan: &FloorPlan, row: &Row, endpoint: &Endpoint, number: u32) -> anyhow::Result<Measured> {
    let load = Load {
        scenario: row.name.clone(),
        connections: row.connections,
        generator_threads: plan.generator_threads,
        pace: Pace::Closed,
        warm_up: WARM_UP,
        duration: Duration::from_secs_f64(plan.seconds),
        shows_progress: false,
    };
    let it = load::measure(&load, &row.workload, endpoint, number)?.measurement;
    Ok(Measured {
        answers_per_second: it.answers_per_second,
        server_cpu_us: it.server_cpu_us,
        generator_cpu_us: it.generator_cpu_us,
        unexpected: it.unexpected,
        body_bytes_mean: it.body_bytes_mean,
    })
}

fn describe(reports: &[RowReport]) -> String {
    let heading = [
        "what",
        "conns",
        "must",
        "aim",
        "ratio min–median–max",
        "server/s",
        "floor/s",
        "CPU µs",
        "floor µs",
        "verdict",
    ];
    let mut table = vec![heading.map(str::to_owned).to_vec()];
    for row in reports {
        let median = |pick: fn(&Round) -> f64| {
            let values: Vec<f64> = row.rounds.iter().map(pick).collect();
            numbers::spread(&values).map_or(0.0, |(_, median, _)| median)
        };
        let cpu = |pick: fn(&Round) -> Option<f64>| {
            let values: Option<Vec<f64>> = row.rounds.iter().map(pick).collect();
            report::micros(values.and_then(|values| numbers::spread(&values)).map(|(_, median, _)| median))
        };
        table.push(vec![
            row.what.clone(),
            row.connections.to_string(),
            format!("{:.2}", row.must),
            format!("{:.2}", row.aim),
            format!("{:.2}–{:.2}–{:.2}", row.ratio_min, row.ratio_median, row.ratio_max),
            report::rate(median(|round| round.server.answers_per_second)),
            report::rate(median(|round| round.floor.answers_per_second)),
            cpu(|round| round.server.server_cpu_us),
            cpu(|round| round.floor.server_cpu_us),
            row.verdict(),
        ]);
    }
    report::table(&table)
}

impl RowReport {
    fn verdict(&self) -> String {
        match self.unexpected() {
            0 if self.ratio_median >= self.aim => "aim reached".into(),
            0 if self.is_met() => "met".into(),
            0 => "BELOW MUST".into(),
            unexpected => format!("VOID: {} wrong answers", report::count(unexpected)),
        }
    }
}

#[cfg(test)]
mod tests;
