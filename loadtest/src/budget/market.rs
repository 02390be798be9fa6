//! Market: the servers of the rows that are measured over HTTP, all started before the first round, and their turns.
//!
//! Holdfast, a floor for each scenario that is compared with one, and the contenders. Batches go to a Holdfast of their own:
//! millions of reservations are no weight that the other rows are about.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::Plan;
use super::books::{Batches, Sold};
use super::rows::{OVERLOADED, Rivals, Row, Scenario};
use crate::alone::Alone;
use crate::caller::{Caller, Reply};
use crate::contenders::contest::{check_alike, order};
use crate::contenders::{self, Contender, Heard, Kind, Stock};
use crate::load::{self, Choice, Endpoint, Load, Tally, Workload};
use crate::results::{Document, Measurement, Pace, Rival};
use crate::sale::run_id;
use crate::series::HOLDFAST;
use crate::server::{self, Server, ServerPlan};
use crate::shop::{Product, Shop};
use crate::wire::{Request, Style};
use crate::{floor, floor_server, numbers, place, plenty, report};

const WARM_UP: Duration = Duration::from_millis(500);
/// What the budget says of the open loop.
const STEADY_PER_SECOND: f64 = 20_000.0;
const HOT_CONNECTIONS: usize = 64;
/// Those that buy the hot product: flash and steady.
const HOT_SCENARIOS: u32 = 2;
const SPREAD_CONNECTIONS: usize = 256;
const BATCH_CONNECTIONS: usize = 8;
const BATCH_STOCK: u32 = 1_000_000;

/// Everybody who is measured.
pub(super) struct Market {
    cases: Vec<Case>,
    contenders: Vec<(Contender, Heard)>,
    /// The goods of Holdfast, and what buyers heard of them.
    shop: Shop,
    sold: [Sold; 2],
    batches: Option<Batches>,
}

/// One scenario and its rivals.
struct Case {
    scenario: Scenario,
    connections: usize,
    pace: Pace,
    subjects: Vec<Subject>,
    /// What Holdfast answers here, where somebody is compared with it.
    sample: Option<Reply>,
}

/// One rival of a case.
struct Subject {
    endpoint: Endpoint,
    workload: Workload,
    product_ids: Vec<String>,
    seller: Seller,
}

/// Whose books a sale goes into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seller {
    Nobody,
    /// Holdfast, with the goods of that place in [`Market::sold`].
    Holdfast(usize),
    /// The contender of that place.
    Contender(usize),
    /// The Holdfast that takes batches.
    Batches,
}

/// What is for sale at a Holdfast.
struct Goods {
    hot: Product,
    read: Product,
    gone: Product,
    spread: Vec<Product>,
}

impl Market {
    /// Starts everybody that `rows` need, with enough of everything for all rounds.
    ///
    /// # Errors
    ///
    /// When a server does not start or refuses its goods.
    pub(super) fn open(plan: &Plan, rows: &[Row], document: &mut Document) -> anyhow::Result<Self> {
        let server_plan = plan.server_plan()?;
        let server = server_plan.start(0)?;
        let (mut shop, style) = enter(&server)?;
        document.rivals.push(server::rival(shop.version()?, server_plan.settings()));
        let goods = Goods::stock(plan, &mut shop, &style)?;
        let needs: Vec<_> = rows.iter().filter_map(|row| row.needs()).collect();
        let mut market = Self {
            cases: Vec::new(),
            contenders: Vec::new(),
            shop,
            sold: [vec![goods.hot.clone()], goods.spread.clone()].map(Sold::new),
            batches: None,
        };
        let rivals = |scenario| {
            let rivals = needs.iter().filter(move |(needed, _)| *needed == scenario);
            rivals.filter_map(|(_, rivals)| *rivals).collect::<Vec<_>>()
        };
        for scenario in Scenario::ALL {
            if needs.iter().any(|(needed, _)| *needed == scenario) {
                let case = match scenario {
                    Scenario::Batch => market.batch_case(plan)?,
                    _ => Case::new(plan, scenario, &server, &style, &goods)?,
                };
                market.cases.push(case);
            }
        }
        for case in &mut market.cases {
            let rivals = rivals(case.scenario);
            if !rivals.is_empty() {
                let sample = case.take_sample(&style)?;
                if let [Subject { seller: Seller::Holdfast(place), .. }] = case.subjects[..] {
                    market.sold[place].add(&Tally::of_one_unit());
                }
                if rivals.contains(&Rivals::Floor) {
                    case.add_floor(&sample, &style)?;
                }
                case.sample = Some(sample);
            }
        }
        let is_floored = market.cases.iter().any(|case| case.subjects.len() > 1);
        document.rivals.extend(is_floored.then(floor_server::rival));
        for kind in Kind::ALL {
            let wants = |scenario| rivals(scenario).iter().any(|it| it.kinds().contains(&kind));
            if wants(Scenario::Flash) || wants(Scenario::Spread) {
                // The other rows can be measured all the same.
                if let Err(error) = kind.find() {
                    eprintln!("{} is not measured: {error:#}", kind.name());
                    document.notes.push(format!("{} was not measured: {error:#}", kind.name()));
                    continue;
                }
                let contender = market.add_contender(plan, kind, &style, &goods, wants)?;
                document.rivals.push(contender);
            }
        }
        Ok(market)
    }

    /// Everybody's turn in every case; who is first changes from round to round.
    ///
    /// # Errors
    ///
    /// When a server stops answering.
    pub(super) fn measure(&mut self, plan: &Plan, round: u32, document: &mut Document) -> anyhow::Result<()> {
        self.renew_batches()?;
        let everybody: Vec<u32> = self.cases.iter().flat_map(Case::processes).collect();
        for case in &self.cases {
            for subject in order(case.subjects.len(), round).into_iter().map(|at| &case.subjects[at]) {
                let _alone = Alone::of(&subject.endpoint.processes, &everybody);
                let load = Load {
                    scenario: case.scenario.name().to_owned(),
                    connections: case.connections,
                    generator_threads: plan.generator_threads,
                    pace: case.pace,
                    warm_up: WARM_UP,
                    duration: plan.duration,
                    shows_progress: false,
                };
                let measured = load::measure(&load, &subject.workload, &subject.endpoint, round)
                    .with_context(|| format!("{}, {}", case.scenario.name(), subject.endpoint.name))?;
                tell(plan, &measured.measurement);
                document.violations.extend(strays(&measured.measurement));
                match subject.seller {
                    Seller::Nobody => {}
                    Seller::Holdfast(place) => self.sold[place].add(&measured.tally),
                    Seller::Batches => {
                        let batches = self.batches.as_mut().context("nobody takes batches")?;
                        batches.held.add(&measured.tally);
                    }
                    Seller::Contender(place) => {
                        self.contenders[place].1.add(&subject.product_ids, &measured.tally);
                    }
                }
                document.measurements.push(measured.measurement);
            }
        }
        Ok(())
    }

    /// Compares what buyers heard with everybody's books, and ends the contenders.
    ///
    /// # Errors
    ///
    /// When somebody does not show their books.
    pub(super) fn audit(mut self, document: &mut Document) -> anyhow::Result<()> {
        for (contender, heard) in &mut self.contenders {
            document.violations.extend(contender.audit(heard)?);
        }
        // The token of the beginning may have run out meanwhile.
        self.shop.log_in(server::EMAIL, server::PASSWORD)?;
        for sold in &self.sold {
            document.violations.extend(sold.audit(&self.shop)?);
        }
        if let Some(batches) = &mut self.batches {
            document.violations.extend(batches.audit()?);
        }
        Ok(())
    }

    /// A Holdfast of its own, which takes batches.
    fn batch_case(&mut self, plan: &Plan) -> anyhow::Result<Case> {
        let server = plan.server_plan()?.start(0)?;
        let (mut shop, style) = enter(&server)?;
        let skus: Vec<String> =
            (0..plan.spread_products).map(|n| format!("batch-{}-{n:05}", style.run)).collect();
        let products = shop.create_products(&skus, BATCH_STOCK)?;
        let mut batches = Batches::new(shop, style, products);
        let (endpoint, workload) = (server::endpoint(HOLDFAST, &server), batches.workload()?);
        let subject = Subject { endpoint, workload, product_ids: skus, seller: Seller::Batches };
        self.batches = Some(batches);
        let (scenario, connections, pace) = (Scenario::Batch, BATCH_CONNECTIONS, Pace::Closed);
        Ok(Case { scenario, connections, pace, subjects: vec![subject], sample: None })
    }

    fn renew_batches(&mut self) -> anyhow::Result<()> {
        let Some(batches) = &mut self.batches else { return Ok(()) };
        let subjects = self.cases.iter_mut().flat_map(|case| &mut case.subjects);
        for subject in subjects.filter(|subject| subject.seller == Seller::Batches) {
            subject.workload = batches.workload()?;
        }
        Ok(())
    }

    fn add_contender(
        &mut self,
        plan: &Plan,
        kind: Kind,
        style: &Style,
        goods: &Goods,
        wants: impl Fn(Scenario) -> bool,
    ) -> anyhow::Result<Rival> {
        eprintln!("starting {}", kind.name());
        let all = [&goods.hot].into_iter().chain(&goods.spread);
        let stock = Stock::new(all.map(|product| (product.sku.clone(), product.stock)));
        let contender = contenders::start(kind, &stock, plan.data_parent.as_deref())?;
        let ids: Vec<String> = stock.products.into_iter().map(|product| product.id).collect();
        let (hot, spread) = ids.split_at(1);
        let (place, mut heard) = (self.contenders.len(), Heard::default());
        for case in self.cases.iter_mut().filter(|case| wants(case.scenario)) {
            let product_ids = if case.scenario == Scenario::Flash { hot } else { spread }.to_vec();
            // Whoever gives up after many tries says so: that is what such a shop does, and counts as no sale.
            let workload = workload(case.scenario, style, product_ids.clone())?.expecting(OVERLOADED);
            let (endpoint, seller) = (contender.endpoint.clone(), Seller::Contender(place));
            let subject = Subject { endpoint, workload, product_ids, seller };
            let answer = subject.sample(style, 201)?;
            heard.add(&subject.product_ids, &Tally::of_one_unit());
            let ours = case.sample.as_ref().context("Holdfast was asked first")?;
            check_alike(ours, &answer)
                .with_context(|| format!("{HOLDFAST} and {} do not answer alike", kind.name()))?;
            case.subjects.push(subject);
        }
        let rival = contender.rival.clone();
        self.contenders.push((contender, heard));
        Ok(rival)
    }
}

impl Case {
    /// The case with Holdfast alone.
    fn new(
        plan: &Plan,
        scenario: Scenario,
        server: &Server,
        style: &Style,
        goods: &Goods,
    ) -> anyhow::Result<Self> {
        let connections = if scenario == Scenario::Spread { SPREAD_CONNECTIONS } else { HOT_CONNECTIONS };
        let pace = match scenario {
            Scenario::Steady => Pace::Open { per_second: plan.steady_per_second() },
            _ => Pace::Closed,
        };
        let product_ids = goods.ids(scenario);
        let workload = workload(scenario, style, product_ids.clone())?;
        let seller = match scenario {
            Scenario::Flash | Scenario::Steady => Seller::Holdfast(0),
            Scenario::Spread => Seller::Holdfast(1),
            _ => Seller::Nobody,
        };
        let endpoint = server::endpoint(HOLDFAST, server);
        let subjects = vec![Subject { endpoint, workload, product_ids, seller }];
        Ok(Self { scenario, connections, pace, subjects, sample: None })
    }

    /// What Holdfast answers to the case's first request: a purchase is one, and in its books.
    fn take_sample(&self, style: &Style) -> anyhow::Result<Reply> {
        let expected = match self.scenario {
            Scenario::Read => 200,
            Scenario::SoldOut => 409,
            _ => 201,
        };
        let first = self.subjects.first().context("a case has Holdfast")?;
        first.sample(style, expected).with_context(|| format!("{}, the sample", self.scenario.name()))
    }

    /// A bare endpoint that answers what Holdfast answers here.
    fn add_floor(&mut self, sample: &Reply, style: &Style) -> anyhow::Result<()> {
        let endpoint = floor_server::start(&floor::sample_of(sample)?)?;
        let product_ids = self.subjects.first().context("a case has Holdfast")?.product_ids.clone();
        let workload = workload(self.scenario, style, product_ids.clone())?;
        self.subjects.push(Subject { endpoint, workload, product_ids, seller: Seller::Nobody });
        Ok(())
    }

    fn processes(&self) -> impl Iterator<Item = u32> {
        self.subjects.iter().flat_map(|subject| subject.endpoint.processes.iter().copied())
    }
}

impl Subject {
    /// The answer to the first request of its workload, sent as a buyer would, without the administrator's token.
    fn sample(&self, style: &Style, expected: u16) -> anyhow::Result<Reply> {
        let Endpoint { name, address, .. } = &self.endpoint;
        let reply = Caller::new(*address, style.host.clone()).send(self.workload.template().bytes())?;
        ensure!(reply.status == expected, "{name} answered {}", reply.status);
        Ok(reply)
    }
}

/// What is asked of everybody in `scenario`.
fn workload(scenario: Scenario, style: &Style, product_ids: Vec<String>) -> anyhow::Result<Workload> {
    match scenario {
        Scenario::SoldOut => Workload::refusals(style, product_ids),
        Scenario::Read => Workload::reads(style, product_ids, Choice::Uniform),
        _ => Workload::purchases(style, product_ids, Choice::Uniform),
    }
}

impl Goods {
    fn stock(plan: &Plan, shop: &mut Shop, style: &Style) -> anyhow::Result<Self> {
        let busy = (plan.duration + WARM_UP) * plan.rounds * HOT_SCENARIOS;
        let stock = plenty::units(busy).context("--rounds times --seconds need too much stock")?;
        eprintln!("creating {} products", report::count(numbers::count(plan.spread_products)));
        let skus: Vec<String> =
            (0..plan.spread_products).map(|n| format!("spread-{}-{n:05}", style.run)).collect();
        let share = plenty::share(stock, u32::try_from(skus.len()).context("too many products")?);
        let hot = shop.create_product(&format!("hot-{}", style.run), stock)?;
        let read = shop.create_product(&format!("read-{}", style.run), plenty::UNITS_MIN)?;
        let gone = shop.create_product(&format!("gone-{}", style.run), 1)?;
        let spread = shop.create_products(&skus, share)?;
        let mut buyer = Shop::new(Caller::new(style.host.parse().context("an address")?, style.host.clone()));
        let last_unit = buyer.sample(Request::purchase(style, &gone.id, false).bytes())?;
        ensure!(last_unit.status == 201, "buying the only unit was answered {}", last_unit.status);
        Ok(Self { hot, read, gone, spread })
    }

    fn ids(&self, scenario: Scenario) -> Vec<String> {
        let one = |product: &Product| vec![product.id.clone()];
        match scenario {
            Scenario::Flash | Scenario::Steady => one(&self.hot),
            Scenario::SoldOut => one(&self.gone),
            Scenario::Read => one(&self.read),
            Scenario::Spread | Scenario::Batch => {
                self.spread.iter().map(|product| product.id.clone()).collect()
            }
        }
    }
}

impl Plan {
    fn server_plan(&self) -> anyhow::Result<ServerPlan> {
        let program = place::find(self.server_binary.as_deref())?;
        ServerPlan::prepare(program, self.data_parent.as_deref(), self.server_env.clone())
    }

    const fn steady_per_second(&self) -> f64 {
        if self.is_short { STEADY_PER_SECOND / 20.0 } else { STEADY_PER_SECOND }
    }
}

fn enter(server: &Server) -> anyhow::Result<(Shop, Style)> {
    Ok((server::enter(server)?, Style { host: server.address.to_string(), run: run_id() }))
}

fn tell(plan: &Plan, it: &Measurement) {
    eprintln!(
        "round {} of {}: {}: {} {}/s",
        it.round,
        plan.rounds,
        it.scenario,
        it.rival,
        report::rate(it.operations_per_second)
    );
}

/// Answers that a measurement is not about: its figure is of something else then.
fn strays(it: &Measurement) -> Option<String> {
    let (rival, scenario, round) = (&it.rival, &it.scenario, it.round);
    let count = report::count(it.unexpected);
    (it.unexpected > 0).then(|| {
        format!("{rival}, {scenario}, round {round}: {count} answers were of another kind: {:?}", it.outcomes)
    })
}
