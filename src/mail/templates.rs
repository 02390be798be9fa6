//! The text of mails: subject, plain text and HTML of each kind, made of templates.
//!
//! The built-in ones are in `src/mail/templates/`; a file of the same name in the operator's folder stands in for
//! one. All are tried with samples of every shape before the first mail, so that a slip shows at the start and
//! not with the first canceled order. Knows no address and no header.

mod samples;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use iso_currency::Currency;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};

use super::{Line, Mail, Order};

/// A template of the operator's that is longer is no mail.
const TEMPLATE_BYTES_MAX: u64 = 256 * 1024;

/// A name that is longer greets nobody: somebody put a message into it.
const NAME_CHARACTERS_MAX: usize = 64;

/// What has one of these in its name is a link to somewhere, and whoever registered somebody else's address with
/// it wants them to follow it.
const NAME_MARKS_REFUSED: [&str; 4] = ["/", "@", ":", "www."];

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("templates/", $name)))),*]
    };
}

const BUILT_IN: &[(&str, &str)] = built_in![
    "welcome.subject.txt",
    "welcome.txt",
    "welcome.html",
    "order_confirmed.subject.txt",
    "order_confirmed.txt",
    "order_confirmed.html",
    "order_canceled.subject.txt",
    "order_canceled.txt",
    "order_canceled.html",
    "order_expired.subject.txt",
    "order_expired.txt",
    "order_expired.html",
    "_layout.html",
    "_order.html",
    "_order.txt",
    "_payment.txt",
    "_why_canceled.txt",
];

/// Why there are no templates.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operator's folder or a file in it.
    #[error("read the mail templates in {}", .path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file that no mail would ever use.
    #[error("{} is no mail template: did you mean `{nearest}`? Parts of your own begin with `_`", .path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The template whose name is closest.
        nearest: &'static str,
    },
    /// A file that is too long.
    #[error("{} has more than {TEMPLATE_BYTES_MAX} bytes", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// What cannot be parsed or filled in.
    #[error("{place}, line {line}: {reason}")]
    Wrong {
        /// The file, or the name of a built-in template.
        place: String,
        /// Where.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// What a mail says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub plain: String,
    /// For the others.
    pub html: String,
}

/// The templates, checked.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    folder: Option<PathBuf>,
}

impl Templates {
    /// Takes the templates of `folder`, and the built-in ones where it has none; `shop` is what mails are signed with.
    ///
    /// # Errors
    ///
    /// [`Error`]: what cannot be read, parsed, or filled in with a sample, and where.
    pub fn load(folder: Option<&Path>, shop: &str) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax =
            SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
        environment.add_filter("money", money);
        environment.add_filter("date", date);
        environment.add_global("shop", one_line(shop));
        let mut templates = Self { environment, folder: folder.map(Path::to_owned) };
        for (name, source) in BUILT_IN {
            templates.add(name, (*source).to_owned())?;
        }
        if let Some(folder) = folder {
            for (name, source) in read_folder(folder)? {
                templates.add(&name, source)?;
            }
        }
        for sample in samples::all() {
            templates.render(&sample)?;
        }
        Ok(templates)
    }

    /// What `mail` says.
    ///
    /// # Errors
    ///
    /// [`Error::Wrong`] when a template asks for what this mail does not have.
    pub fn render(&self, mail: &Mail) -> Result<Text, Error> {
        let values = values(mail);
        let stem = mail.kind.word();
        let fill = |ending: &str| {
            let template = self.environment.get_template(&format!("{stem}{ending}"));
            template.and_then(|it| it.render(values.clone())).map_err(|error| self.explain(&error))
        };
        Ok(Text { subject: one_line(&fill(".subject.txt")?), plain: fill(".txt")?, html: fill(".html")? })
    }

    fn add(&mut self, name: &str, source: String) -> Result<(), Error> {
        let added = self.environment.add_template_owned(name.to_owned(), source);
        added.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &minijinja::Error) -> Error {
        // What went wrong in an included template is at the end of the chain.
        let mut innermost = error;
        while let Some(source) = std::error::Error::source(innermost) {
            let Some(source) = source.downcast_ref() else { break };
            innermost = source;
        }
        let name = innermost.name().or(error.name()).unwrap_or("a mail template");
        let file = self.folder.as_ref().map(|folder| folder.join(name)).filter(|file| file.is_file());
        Error::Wrong {
            place: file.map_or_else(|| format!("built-in {name}"), |file| file.display().to_string()),
            line: innermost.line().unwrap_or(1),
            reason: match innermost.detail() {
                Some(detail) => format!("{}: {detail}", innermost.kind()),
                None => innermost.kind().to_string(),
            },
        }
    }
}

/// The templates in the operator's folder, by name. Other files, such as a note, are left alone.
fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, Error> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let mut templates = Vec::new();
    for entry in fs::read_dir(folder).map_err(read(folder))? {
        let path = entry.map_err(read(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') || !(name.ends_with(".txt") || name.ends_with(".html")) {
            continue;
        }
        if !name.starts_with('_') && BUILT_IN.iter().all(|(known, _)| *known != name) {
            let known = BUILT_IN.iter().map(|(known, _)| *known);
            let nearest = known.min_by_key(|known| strsim::damerau_levenshtein(known, name));
            let nearest = nearest.expect("there are built-in templates");
            return Err(Error::Unknown { path, nearest });
        }
        if fs::metadata(&path).map_err(read(&path))?.len() > TEMPLATE_BYTES_MAX {
            return Err(Error::TooLong { path });
        }
        templates.push((name.to_owned(), fs::read_to_string(&path).map_err(read(&path))?));
    }
    // Folders list in any order; the first complaint should be the same each time.
    templates.sort();
    Ok(templates)
}

/// What templates may use. What a mail does not have is `none`, which is false; a name that is not here is an error.
fn values(mail: &Mail) -> Value {
    context! {
        kind => mail.kind.word(),
        at => mail.at_ms,
        name => mail.name.as_deref().and_then(name_to_show),
        order => mail.order.as_ref().map(order),
    }
}

fn order(order: &Order) -> Value {
    context! {
        id => one_line(&order.id),
        number => one_line(&order.number),
        lines => order.lines.iter().map(line).collect::<Vec<_>>(),
        subtotal => order.subtotal,
        discount => order.discount,
        total => order.total,
        currency => one_line(&order.currency),
        canceled => order.canceled.as_deref().map(one_line),
        reason => order.reason.as_deref().map(one_line).filter(|reason| !reason.is_empty()),
        payment_status => one_line(&order.payment_status),
    }
}

fn line(line: &Line) -> Value {
    context! {
        sku => one_line(&line.sku),
        name => one_line(&line.name),
        quantity => line.quantity,
        unit_price => line.unit_price,
        total => line.total,
    }
}

/// What somebody says they are called, where it is no more than that: whoever registers a stranger must not choose what we
/// write to them.
pub(super) fn name_to_show(name: &str) -> Option<String> {
    let name = one_line(name);
    let lower = name.to_lowercase();
    let is_name = !name.is_empty()
        && name.chars().count() <= NAME_CHARACTERS_MAX
        && NAME_MARKS_REFUSED.iter().all(|mark| !lower.contains(mark));
    is_name.then_some(name)
}

/// The words of `text` on one line: no text of a customer's begins a line of ours, or a header.
pub(super) fn one_line(text: &str) -> String {
    let spaced = |letter: char| letter.is_whitespace() || letter.is_control();
    text.split(spaced).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `49800|money("EUR")` is `498.00 EUR`: as many decimals as the currency has.
fn money(amount: i64, currency: &str) -> Result<String, minijinja::Error> {
    let known = Currency::from_code(currency).ok_or_else(|| {
        minijinja::Error::new(ErrorKind::InvalidOperation, format!("`{currency}` is no currency"))
    })?;
    // Gold and the like have no minor unit: what is counted are whole ones.
    let decimals = usize::from(known.exponent().unwrap_or_default());
    let sign = if amount < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{sign}{whole}{point}{fraction} {currency}"))
}

/// A moment in milliseconds as people read it, in UTC: their own time zone is not known here.
fn date(ms: u64) -> Result<String, minijinja::Error> {
    let refused = || minijinja::Error::new(ErrorKind::InvalidOperation, format!("{ms} is no moment"));
    let ms = i64::try_from(ms).map_err(|_| refused())?;
    let moment = jiff::Timestamp::from_millisecond(ms).map_err(|_| refused())?;
    Ok(moment.strftime("%a, %-d %b %Y, %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests;
