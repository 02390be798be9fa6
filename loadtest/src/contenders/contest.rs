//! Contest: floor, Holdfast and the contenders under the same two loads, in the same run, round by round.
//!
//! Everybody lives all the time and one is measured at a time; what PostgreSQL and Redis do in the background (vacuum,
//! checkpoints, rewriting the log) stays as it is, in the time of whoever does it: see `alone`. Who is first changes from
//! round to round. At the end all books are audited, Holdfast's by the same rules. Called by `cli`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::books::{self, Books, Figures, Heard};
use super::{Contender, Kind, Stock};
use crate::alone::Alone;
use crate::caller::{Caller, Reply};
use crate::load::{self, Choice, Endpoint, Load, Tally, Workload};
use crate::results::{Document, Measurement, Pace, Rival};
use crate::sale::run_id;
use crate::series::HOLDFAST;
use crate::server::{self, ServerPlan};
use crate::shop::{self, Product, Shop, Wanted};
use crate::stolen::Ticks;
use crate::wire::{Request, Style};
use crate::{compare, document, floor, floor_server, numbers, page, place, plenty, report};

const FLASH_CONNECTIONS: usize = 64;
const SPREAD_CONNECTIONS: usize = 256;
const SPREAD_PRODUCTS: usize = 10_000;
const SPREAD_PRODUCTS_SHORT: usize = 500;
const SPREAD_PRODUCTS_MAX: usize = 90_000;
const WARM_UP: Duration = Duration::from_millis(500);
/// Answers of Holdfast and of a contender may differ by so many bytes: figures have more or fewer digits.
const BYTES_APART_MAX: usize = 16;

/// What `loadtest contenders` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often everybody is measured under each load [default: 3; 1 with --short]
    #[arg(long)]
    rounds: Option<u32>,
    /// Seconds of each measurement, after half a second of warm-up [default: 4; 0.5 with --short]
    #[arg(long)]
    seconds: Option<f64>,
    /// Only these beside floor and Holdfast
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Connections of each front to its database [default: what was best for each]
    #[arg(long)]
    pool: Option<usize>,
    /// Products of the load that is spread [default: 10000; 500 with --short]
    #[arg(long)]
    products: Option<usize>,
    /// Threads of the generator
    #[arg(long, default_value_t = 2)]
    generator_threads: usize,
    /// Half a minute in all, for CI; its figures mean little
    #[arg(long)]
    short: bool,
    /// Make the servers' folders in here instead of the temporary folder
    #[arg(long)]
    data_parent: Option<PathBuf>,
    /// Start this Holdfast instead of the release build beside this program
    #[arg(long, value_name = "FILE")]
    server_binary: Option<PathBuf>,
    /// Set a variable of Holdfast's environment, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    server_env: Vec<String>,
    /// Write everything as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// The options with their defaults.
#[derive(Debug)]
struct Plan {
    rounds: u32,
    duration: Duration,
    kinds: Vec<Kind>,
    generator_threads: usize,
    /// Sku and units: the hot one, then the spread ones, then one for the sample.
    goods: Vec<(String, u32)>,
}

/// Somebody who is measured.
struct Racer {
    rival: Rival,
    endpoint: Endpoint,
    /// One product, and many.
    workloads: [(Workload, Vec<String>); 2],
    heard: Heard,
    ledger: Ledger,
}

/// Whose books are looked into at the end.
enum Ledger {
    /// The floor has none.
    None,
    Holdfast(Box<Shop>, Stock),
    Contender(Box<Contender>),
}

/// Measures everybody, prints the table, and tells whether all books were sound.
///
/// # Errors
///
/// When a server does not start or stops answering.
pub(crate) fn run(options: &Options) -> anyhow::Result<bool> {
    let plan = options.plan()?;
    let mut document = document::begin(std::env::args().collect());
    document.machine.file_system =
        document::file_system(&server::parent_of_folders(options.data_parent.as_deref())?);
    let mut racers = enter(options, &plan)?;
    document.rivals = racers.iter().map(|racer| racer.rival.clone()).collect();
    let everybody: Vec<u32> =
        racers.iter().flat_map(|racer| racer.endpoint.processes.iter().copied()).collect();
    let began = Ticks::now();
    for round in 1..=plan.rounds {
        for load in [plan.load("flash", FLASH_CONNECTIONS), plan.load("spread", SPREAD_CONNECTIONS)] {
            for at in order(racers.len(), round) {
                let _alone = Alone::of(&racers[at].endpoint.processes, &everybody);
                document.measurements.push(racers[at].run(&load, round)?);
                announce(&plan, &document);
            }
        }
    }
    document.notes.push(began.stolen().to_string());
    for racer in &mut racers {
        document.violations.extend(racer.audit()?);
    }
    print!("{}", compare::describe(&document));
    for violation in &document.violations {
        println!("VIOLATION: {violation}");
    }
    page::keep(&document, options.json.as_deref(), options.html.as_deref())?;
    Ok(document.violations.is_empty())
}

/// Everybody once, beginning with another one in each round, and going the other way round in every other one.
pub(crate) fn order(racers: usize, round: u32) -> Vec<usize> {
    let first = usize::try_from(round).unwrap_or(0) % racers.max(1);
    let step = |at| if round.is_multiple_of(2) { racers - at } else { at };
    (0..racers).map(|at| (first + step(at)) % racers).collect()
}

fn announce(plan: &Plan, document: &Document) {
    let Some(last) = document.measurements.last() else { return };
    let Measurement { round, scenario, rival, answers_per_second, unexpected, .. } = last;
    let rate = report::rate(*answers_per_second);
    let wrong = if *unexpected == 0 { String::new() } else { format!(", {unexpected} unexpected answers") };
    eprintln!("round {round} of {}: {scenario}: {rival} {rate}/s{wrong}", plan.rounds);
}

impl Options {
    fn plan(&self) -> anyhow::Result<Plan> {
        let rounds = self.rounds.unwrap_or(if self.short { 1 } else { 3 });
        let seconds = self.seconds.unwrap_or(if self.short { 0.5 } else { 4.0 });
        let spread =
            self.products.unwrap_or(if self.short { SPREAD_PRODUCTS_SHORT } else { SPREAD_PRODUCTS });
        ensure!((1..=100).contains(&rounds), "--rounds takes 1 to 100");
        ensure!((0.1..=60.0).contains(&seconds), "--seconds takes 0.1 to 60");
        ensure!((1..=SPREAD_PRODUCTS_MAX).contains(&spread), "--products takes 1 to {SPREAD_PRODUCTS_MAX}");
        ensure!(self.pool.is_none_or(|pool| (1..=80).contains(&pool)), "--pool takes 1 to 80");
        ensure!((1..=64).contains(&self.generator_threads), "--generator-threads takes 1 to 64");
        let duration = Duration::from_secs_f64(seconds);
        let sales = plenty::units((duration + WARM_UP) * rounds)
            .context("--rounds times --seconds need too much stock")?;
        let each = plenty::share(sales, u32::try_from(spread)?);
        let run = run_id();
        let sku = |n: usize| format!("contest-{run}-{n:05}");
        let mut goods = vec![(sku(0), sales)];
        goods.extend((1..=spread).map(|n| (sku(n), each)));
        goods.push((sku(spread + 1), sales));
        let is_wanted = |kind: &Kind| self.only.is_empty() || self.only.contains(kind);
        let kinds = Kind::ALL.into_iter().filter(is_wanted).collect();
        Ok(Plan { rounds, duration, kinds, generator_threads: self.generator_threads, goods })
    }
}

impl Plan {
    fn load(&self, scenario: &str, connections: usize) -> Load {
        Load {
            scenario: scenario.to_owned(),
            connections,
            generator_threads: self.generator_threads,
            pace: Pace::Closed,
            warm_up: WARM_UP,
            duration: self.duration,
            shows_progress: true,
        }
    }
}

/// Starts everybody and checks that they answer alike.
fn enter(options: &Options, plan: &Plan) -> anyhow::Result<Vec<Racer>> {
    let parent = options.data_parent.as_deref();
    let server_plan = place::prepare(options.server_binary.as_deref(), parent, &options.server_env)?;
    let (holdfast, sample) = enter_holdfast(plan, &server_plan)?;
    let floor = enter_floor(&holdfast, &sample)?;
    let mut racers = vec![floor, holdfast];
    let stock = Stock::new(plan.goods.clone());
    for kind in &plan.kinds {
        eprintln!("starting {}", kind.name());
        let contender = match options.pool {
            None => super::start(*kind, &stock, parent)?,
            Some(connections) => super::start_pooled(*kind, connections, &stock, parent)?,
        };
        let (rival, endpoint) = (contender.rival.clone(), contender.endpoint.clone());
        let ledger = Ledger::Contender(Box::new(contender));
        let mut racer = Racer::new(rival, endpoint, &stock.products, ledger)?;
        let answer = racer.buy_sample(&stock.products)?;
        check_alike(&sample, &answer)
            .with_context(|| format!("Holdfast and {} do not answer alike", kind.name()))?;
        racers.push(racer);
    }
    Ok(racers)
}

fn enter_holdfast(plan: &Plan, server_plan: &ServerPlan) -> anyhow::Result<(Racer, Reply)> {
    let server = server_plan.start(0)?;
    let mut shop = server::enter(&server)?;
    eprintln!("creating {} products", report::count(numbers::count(plan.goods.len())));
    let wanted: Vec<Wanted> = plan
        .goods
        .iter()
        .map(|(sku, stock)| Wanted { sku: sku.clone(), stock: *stock, ..Wanted::default() })
        .collect();
    let stock = Stock { products: shop.create_all(&wanted)? };
    let rival = server::rival(shop.version()?, server_plan.settings());
    let endpoint = server::endpoint(HOLDFAST, &server);
    let products = stock.products.clone();
    let mut racer = Racer::new(rival, endpoint, &products, Ledger::Holdfast(Box::new(shop), stock))?;
    let sample = racer.buy_sample(&products)?;
    Ok((racer, sample))
}

/// The bare endpoint that answers as many bytes as Holdfast does.
fn enter_floor(holdfast: &Racer, sample: &Reply) -> anyhow::Result<Racer> {
    let endpoint = floor_server::start(&floor::sample_of(sample)?)?;
    let Ledger::Holdfast(_, stock) = &holdfast.ledger else { unreachable!("Holdfast keeps books") };
    Racer::new(floor_server::rival(), endpoint, &stock.products, Ledger::None)
}

/// The same header lines and, but for digits, as many bytes: else one of them would have less to do.
pub(crate) fn check_alike(ours: &Reply, theirs: &Reply) -> anyhow::Result<()> {
    let names = |reply: &Reply| {
        let mut names: Vec<String> = reply.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
        names.sort();
        names
    };
    ensure!(names(ours) == names(theirs), "headers: {:?} and {:?}", names(ours), names(theirs));
    let bytes = |reply: &Reply| {
        let lines: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        lines + reply.body.len()
    };
    ensure!(
        bytes(ours).abs_diff(bytes(theirs)) <= BYTES_APART_MAX,
        "{} and {} bytes of headers and body",
        bytes(ours),
        bytes(theirs)
    );
    Ok(())
}

impl Racer {
    fn new(rival: Rival, endpoint: Endpoint, products: &[Product], ledger: Ledger) -> anyhow::Result<Self> {
        let style = Style { host: endpoint.address.to_string(), run: run_id() };
        let ids: Vec<String> = products.iter().map(|product| product.id.clone()).collect();
        let [hot, spread @ .., _sample] = ids.as_slice() else { unreachable!("a plan has three products") };
        let purchases = |ids: &[String]| {
            anyhow::Ok((Workload::purchases(&style, ids.to_vec(), Choice::Uniform)?, ids.to_vec()))
        };
        let workloads = [purchases(std::slice::from_ref(hot))?, purchases(spread)?];
        Ok(Self { rival, endpoint, workloads, heard: Heard::default(), ledger })
    }

    /// Buys one unit of the last product, as any guest.
    fn buy_sample(&mut self, products: &[Product]) -> anyhow::Result<Reply> {
        let Endpoint { name, address, .. } = &self.endpoint;
        let style = Style { host: address.to_string(), run: run_id() };
        let last = products.last().context("nothing is for sale")?;
        let request = Request::purchase(&style, &last.id, false);
        let reply = Caller::new(*address, style.host).send(request.bytes())?;
        ensure!(reply.status == 201, "{name} answered the first purchase with {}", reply.status);
        self.heard.add(std::slice::from_ref(&last.id), &Tally::of_one_unit());
        Ok(reply)
    }

    fn run(&mut self, load: &Load, round: u32) -> anyhow::Result<Measurement> {
        let (workload, ids) = &self.workloads[usize::from(load.scenario == "spread")];
        let measured = load::measure(load, workload, &self.endpoint, round)?;
        self.heard.add(ids, &measured.tally);
        Ok(measured.measurement)
    }

    fn audit(&mut self) -> anyhow::Result<Vec<String>> {
        match &mut self.ledger {
            Ledger::None => Ok(Vec::new()),
            Ledger::Contender(contender) => contender.audit(&self.heard),
            Ledger::Holdfast(shop, stock) => {
                // The token of the beginning may have run out meanwhile.
                shop.log_in(server::EMAIL, server::PASSWORD)?;
                audit_holdfast(shop, stock, &self.heard, |figures| figures.committed)
            }
        }
    }
}

/// Everything that is wrong with Holdfast's figures, one sentence each; `taken` picks those of units that are gone.
///
/// # Errors
///
/// When the shop does not show its figures.
pub(crate) fn audit_holdfast(
    shop: &Shop,
    stock: &Stock,
    heard: &Heard,
    taken: fn(&shop::Figures) -> i64,
) -> anyhow::Result<Vec<String>> {
    let skus: Vec<String> = stock.products.iter().map(|product| product.sku.clone()).collect();
    let mut books = Books::default();
    for (product, figures) in stock.products.iter().zip(shop.all_figures(&skus)?) {
        let figures = Figures { left: Some(figures.available), purchased: taken(&figures) };
        books.purchases += u64::try_from(figures.purchased).unwrap_or(0);
        books.products.insert(product.id.clone(), figures);
    }
    // The ledger behind the figures, with each order, is for the other scenarios' auditor.
    books.orders = books.purchases;
    let wrong = books::judge(stock, heard, &books);
    Ok(wrong.into_iter().map(|wrong| format!("{HOLDFAST}: {wrong}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_first_once_and_measured_once_in_each_round() {
        for racers in 1..=7 {
            let rounds = 1..=u32::try_from(racers).expect("few");
            let mut firsts: Vec<usize> = rounds.clone().map(|round| order(racers, round)[0]).collect();
            firsts.sort_unstable();
            assert_eq!(firsts, (0..racers).collect::<Vec<_>>());
            for round in rounds {
                let mut all = order(racers, round);
                all.sort_unstable();
                assert_eq!(all, firsts);
            }
        }
        assert_eq!((order(3, 1), order(3, 2)), (vec![1, 2, 0], vec![2, 1, 0]));
    }

    #[test]
    fn answers_with_less_to_say_are_refused() {
        let reply = |names: &[&str], body: &str| Reply {
            status: 201,
            headers: names.iter().map(|name| ((*name).to_owned(), "value".to_owned())).collect(),
            body: body.as_bytes().to_vec(),
        };
        let ours = reply(&["Date", "x-request-id"], "{\"available\":10000}");
        assert!(check_alike(&ours, &reply(&["x-request-id", "date"], "{\"available\":9}")).is_ok());
        assert!(check_alike(&ours, &reply(&["date"], "{\"available\":10000}")).is_err());
        let long = "x".repeat(60);
        assert!(check_alike(&ours, &reply(&["date", "x-request-id"], &long)).is_err());
    }
}
