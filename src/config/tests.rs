//! Who wins, who is told, and what stays hidden.

use std::fs;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn source_of(effective: &Effective, name: &str) -> String {
    effective.table.iter().find(|row| row.name == name).unwrap().source.to_string()
}

fn value_of(effective: &Effective, name: &str) -> Option<String> {
    effective.table.iter().find(|row| row.name == name).unwrap().value.clone()
}

/// The whole chain of an error, as the operator reads it.
fn chain(error: Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

#[test]
fn defaults_are_those_of_the_contract() {
    let effective = load(&Inputs::default()).unwrap();
    assert_eq!(effective.settings.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(effective.settings.data_dir, Path::new("./data"));
    assert!(effective.settings.redis_url.is_none());
    assert!(effective.table.iter().all(|row| row.source == Source::Default));
    assert_eq!(effective.table.len(), SETTINGS.len());
}

#[test]
fn flag_beats_environment_beats_dot_env_beats_file_beats_default() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("holdfast.toml");
    fs::write(&file, "shards = 2\nworkers = 2\nlog_format = \"json\"\ndemo = true\n").unwrap();
    let inputs = Inputs {
        flags: BTreeMap::from([("shards", "5".to_owned())]),
        environment: variables(&[("HOLDFAST_SHARDS", "4"), ("HOLDFAST_WORKERS", "4"), ("PATH", "/bin")]),
        dot_env: variables(&[("HOLDFAST_WORKERS", "3"), ("HOLDFAST_LOG_FORMAT", "text"), ("OTHER", "x")]),
        file: Some(file.clone()),
    };
    let effective = load(&inputs).unwrap();
    assert_eq!(effective.settings.shards, 5);
    assert_eq!(effective.settings.workers, 4);
    assert_eq!(effective.settings.log_format, LogFormat::Text);
    assert!(effective.settings.demo);
    assert_eq!(source_of(&effective, "shards"), "flag --shards");
    assert_eq!(source_of(&effective, "workers"), "environment HOLDFAST_WORKERS");
    assert_eq!(source_of(&effective, "log_format"), ".env HOLDFAST_LOG_FORMAT");
    assert_eq!(source_of(&effective, "demo"), format!("file {}", file.display()));
    assert_eq!(source_of(&effective, "listen"), "default");
}

#[test]
fn empty_variable_is_not_set() {
    let inputs =
        Inputs { environment: variables(&[("REDIS_URL", ""), ("HOLDFAST_LISTEN", "")]), ..Inputs::default() };
    let effective = load(&inputs).unwrap();
    assert!(effective.settings.redis_url.is_none());
    assert_eq!(source_of(&effective, "listen"), "default");
}

#[test]
fn unknown_names_are_errors_with_the_nearest_known_one() {
    let typo = Inputs { environment: variables(&[("HOLDFAST_SHARD", "4")]), ..Inputs::default() };
    assert_eq!(
        load(&typo).unwrap_err().to_string(),
        "the environment sets `HOLDFAST_SHARD`, which is no setting; did you mean `HOLDFAST_SHARDS`?"
    );
    let typo = Inputs { dot_env: variables(&[("HOLDFAST_LISTENS", "x")]), ..Inputs::default() };
    assert!(load(&typo).unwrap_err().to_string().starts_with(".env sets `HOLDFAST_LISTENS`"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings");
    fs::write(&file, "datadir = \"x\"\n").unwrap();
    let message = load(&Inputs { file: Some(file), ..Inputs::default() }).unwrap_err().to_string();
    assert!(message.ends_with("sets `datadir`, which is no setting; did you mean `data_dir`?"), "{message}");
}

#[test]
fn value_of_the_wrong_type_names_setting_and_source() {
    for (variable, value, name) in [
        ("HOLDFAST_SHARDS", "many", "shards"),
        ("HOLDFAST_LISTEN", "3000", "listen"),
        ("HOLDFAST_LOG_FORMAT", "xml", "log_format"),
        ("HOLDFAST_DEMO", "perhaps", "demo"),
    ] {
        let inputs = Inputs { environment: variables(&[(variable, value)]), ..Inputs::default() };
        let message = chain(load(&inputs).unwrap_err());
        assert!(message.contains(&format!("`{name}`")) && message.contains(variable), "{message}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (pairs, expected) in [
        (&[("HOLDFAST_SHARDS", "0")][..], "`shards` must be 1 to 1024 (from environment HOLDFAST_SHARDS)"),
        (&[("JWT_SECRET", "short")], "`jwt_secret` has 5 bytes; it needs at least 32"),
        (&[("JWT_SECRET_PREVIOUS", "short")], "`jwt_secret_previous` is not good: "),
        (&[("HOLDFAST_ADMIN_EMAIL", "a@b.example")], "`admin_email` needs `admin_password` as well"),
        (&[("HOLDFAST_MAIL_FROM", "Shop")], "`mail_from` is no address: "),
        (&[("SMTP_URL", "mail.example:25")], "`smtp_url` is no URL of a mail server: "),
        (&[("SMTP_URL", "smtp://u:p@mail.example?tls=no")], "`smtp_url` may have tls=required or "),
        (&[("HOLDFAST_ADMIN_PASSWORD", "long enough")], "`admin_password` needs `admin_email` as well"),
    ] {
        let inputs = Inputs { environment: variables(pairs), ..Inputs::default() };
        let message = load(&inputs).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn missing_or_broken_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("holdfast.toml");
    assert!(load(&Inputs { file: Some(file.clone()), ..Inputs::default() }).is_err());
    fs::write(&file, "shards = \n").unwrap();
    assert!(load(&Inputs { file: Some(file), ..Inputs::default() }).is_err());
}

#[test]
fn secrets_stay_hidden() {
    let inputs = Inputs {
        environment: variables(&[
            ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
            ("JWT_SECRET_PREVIOUS", "fedcba9876543210fedcba9876543210"),
            ("REDIS_URL", "redis://me:p@ss@cache:6379/0"),
            ("SMTP_URL", "smtp://mail.example:25"),
            ("HOLDFAST_ADMIN_EMAIL", "a@b.example"),
            ("HOLDFAST_ADMIN_PASSWORD", "correct horse"),
        ]),
        ..Inputs::default()
    };
    let effective = load(&inputs).unwrap();
    assert_eq!(value_of(&effective, "redis_url").as_deref(), Some("redis://(hidden)@cache:6379/0"));
    assert_eq!(value_of(&effective, "smtp_url").as_deref(), Some("smtp://mail.example:25"));
    for (url, shown) in [
        ("redis+unix:///run/redis.sock?user=me&pass=p@ss", "redis+unix://(hidden)"),
        ("redis+unix:///run/redis.sock?user=me&pass=secret", "redis+unix:///run/redis.sock?(hidden)"),
        ("redis://me:p@ss@cache?protocol=resp3", "redis://(hidden)@cache?(hidden)"),
        ("redis://me:p/ss@cache", "redis://(hidden)"),
    ] {
        assert_eq!(without_credentials(url), shown);
    }
    let everything = format!("{effective:?}");
    for secret in ["0123456789abcdef", "fedcba9876543210", "p@ss", "correct horse"] {
        assert!(!everything.contains(secret), "{everything}");
    }
}

#[test]
fn dot_env_is_read_when_present() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    assert!(read_dot_env(&path).unwrap().is_empty());
    fs::write(&path, "# a comment\nHOLDFAST_SHARDS=3\nREDIS_URL=\"redis://x\"\n").unwrap();
    let expected = variables(&[("HOLDFAST_SHARDS", "3"), ("REDIS_URL", "redis://x")]);
    assert_eq!(read_dot_env(&path).unwrap(), expected);
}

#[test]
fn address_of_no_redis_is_refused_without_saying_it() {
    for url in [
        "geheim",
        "http://user:geheim@host/",
        "redis://:geheim@",
        "redis://:geheim@host/geheim",
        "redis://:geheim@host:geheim",
        "redis://:geheim@0.0.0.0",
        "rediss://:geheim@host#insecure",
    ] {
        let inputs = Inputs { environment: variables(&[("REDIS_URL", url)]), ..Inputs::default() };
        let said = chain(load(&inputs).expect_err(url));
        assert!(said.contains("redis_url") && said.contains("environment REDIS_URL"), "{url}: {said}");
        assert!(!said.contains("geheim"), "{url}: {said}");
    }
    for url in ["redis://host", "rediss://user:geheim@host:6380/3", "unix:///run/redis.sock?db=2"] {
        let inputs = Inputs { environment: variables(&[("REDIS_URL", url)]), ..Inputs::default() };
        assert!(load(&inputs).is_ok(), "{url}");
    }
}
