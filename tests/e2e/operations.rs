//! What an operator meets: folders, ports, settings, the demo, and the commands that look.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::server::{Ended, Folder, Server};
use crate::shop::Shop;

/// `serve` with these flags, which ends instead of serving.
#[track_caller]
fn refused(command: Command) -> Ended {
    match Server::try_start(command) {
        Ok(server) => panic!("it serves:\n{}", server.stderr()),
        Err(ended) => ended,
    }
}

#[track_caller]
fn expect_said(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not in:\n{}", ended.stderr);
    }
}

#[test]
fn folder_in_use_is_refused_and_its_holder_named() {
    let folder = Folder::new();
    let server = folder.start();
    let pid = server.pid().to_string();
    let second = refused(folder.serve_empty()).expect_code(5);
    expect_said(&second, &[&pid, "holdfast serve", "in use"]);
    for command in ["verify", "repair"] {
        expect_said(&folder.run(&["journal", command]).expect_code(5), &[&pid]);
    }
    let told = folder.run(&["journal", "stat", "--json"]).expect_code(0);
    let told: Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    assert_eq!(told["state"], "running", "the server itself tells");
    folder.run(&["health", "--url", &server.url()]).expect_code(0);
    server.kill();
    // A killed holder leaves its name and no lock.
    drop(folder.start());
}

#[test]
fn taken_port_is_refused_with_what_to_do() {
    let (folder, other) = (Folder::new(), Folder::new());
    let server = folder.start();
    let port = server.address().rsplit(':').next().expect("it has a port").to_owned();
    let second = refused(other.command(&["serve", "--listen", server.address()])).expect_code(1);
    expect_said(&second, &[&format!("port {port} is taken"), "--listen"]);
}

#[test]
fn setting_that_does_not_exist_is_a_usage_error_that_names_the_nearest() {
    let folder = Folder::new();
    refused(folder.command(&["serve", "--lisen", "127.0.0.1:0"])).expect_code(2);
    refused(folder.command(&["serf"])).expect_code(2);
    folder.run(&[]).expect_code(2);

    let mut serve = folder.serve_empty();
    serve.env("HOLDFAST_SHARD", "2");
    expect_said(&refused(serve).expect_code(2), &["HOLDFAST_SHARD", "HOLDFAST_SHARDS"]);

    fs::write(folder.parent().join("holdfast.toml"), "lissten = \"127.0.0.1:0\"\n").expect("it is writable");
    let wrong = refused(folder.command(&["serve", "--config", "holdfast.toml"])).expect_code(2);
    expect_said(&wrong, &["lissten", "`listen`", "holdfast.toml"]);

    for (name, value) in [
        ("JWT_SECRET", "short"),
        ("HOLDFAST_SHARDS", "0"),
        ("HOLDFAST_LISTEN", "somewhere"),
        ("HOLDFAST_ADMIN_EMAIL", "a@b.test"),
        ("HOLDFAST_DEMO", "perhaps"),
    ] {
        let mut serve = folder.command(&["serve"]);
        serve.env(name, value);
        expect_said(&refused(serve).expect_code(2), &[name]);
    }
    assert!(!folder.data().exists(), "nothing was made");
}

#[test]
fn flags_win_over_environment_over_dot_env_over_file() {
    let folder = Folder::new();
    let file = "shards = 5\nworkers = 5\nlog_format = \"json\"\ndata_dir = \"from-file\"\n";
    fs::write(folder.parent().join("holdfast.toml"), file).expect("it is writable");
    fs::write(folder.parent().join(".env"), "HOLDFAST_WORKERS=4\nHOLDFAST_SHARDS=4\n")
        .expect("it is writable");
    let mut show =
        folder.command(&["config", "show", "--json", "--config", "holdfast.toml", "--shards", "2"]);
    show.env("HOLDFAST_SHARDS", "3").env("REDIS_URL", "redis://user:geheim@host:1/0");
    show.env("HOLDFAST_ADMIN_EMAIL", "a@b.test").env("HOLDFAST_ADMIN_PASSWORD", "geheim-geheim");
    let shown = crate::server::Process::spawn(show).wait().expect_code(0);

    let told: Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
    let dir = folder.data().display().to_string();
    for (name, value, source) in [
        ("shards", "2", "flag --shards"),
        ("workers", "4", ".env HOLDFAST_WORKERS"),
        ("log_format", "json", "file holdfast.toml"),
        ("data_dir", dir.as_str(), "environment HOLDFAST_DATA_DIR"),
        ("listen", "127.0.0.1:3000", "default"),
        ("redis_url", "redis://(hidden)@host:1/0", "environment REDIS_URL"),
        ("jwt_secret", "(hidden)", "environment JWT_SECRET"),
        ("admin_password", "(hidden)", "environment HOLDFAST_ADMIN_PASSWORD"),
    ] {
        assert_eq!(told[name], json!({ "value": value, "source": source }), "{name}");
    }
    assert!(!shown.stdout.contains("geheim") && !shown.stdout.contains(crate::tokens::SECRET));
    assert_eq!(told["smtp_url"]["value"], Value::Null);
    let plain = folder.run(&["config", "show"]).expect_code(0);
    assert_eq!(plain.stdout.lines().count(), told.as_object().map_or(0, serde_json::Map::len));
    assert!(!folder.data().exists(), "looking makes nothing");
}

#[tokio::test]
async fn demo_is_made_and_printed_once_and_its_people_can_log_in() {
    let folder = Folder::new();
    let demo = || folder.command(&["serve", "--demo", "--listen", "127.0.0.1:0"]);
    let server = Server::start(demo());
    let shop = Shop::of(&server);
    let printed = server.stdout();
    for (who, status) in [("admin", 201), ("customer", 403)] {
        let line = printed.lines().find(|line| line.trim_start().starts_with(who)).expect("they are printed");
        let words: Vec<_> = line.split_whitespace().collect();
        let body = json!({ "email": words[1], "password": words[2] });
        let tokens = shop.client.post("/auth/login", &body).send().await.expect(200).body;
        let token = tokens["access_token"].as_str().expect("it is text").to_owned();
        let body = json!({ "name": "New", "price": 1, "currency": "EUR" });
        let made = shop.client.post("/products", &body).token(&token).send().await;
        assert_eq!(made.status, status, "{who}: {}", made.text);
    }
    let listed = shop.client.get("/products").send().await.expect(200).body;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(9), "eight of the demo and the admin's");
    server.terminate().expect_code(0);

    let server = Server::start(demo());
    assert!(!server.stdout().contains("example.test"), "printed once:\n{}", server.stdout());
    let again = Shop::of(&server).client.get("/products").send().await.expect(200).body;
    assert_eq!(again, listed, "made once");
}

#[tokio::test]
async fn signing_secret_is_made_once_and_is_the_owners_alone() {
    let folder = Folder::new();
    let without_secret = || {
        let mut serve = folder.serve_empty();
        serve.env_remove("JWT_SECRET").env("HOLDFAST_ADMIN_EMAIL", "a@b.test");
        serve.env("HOLDFAST_ADMIN_PASSWORD", "correct horse");
        serve
    };
    let server = Server::start(without_secret());
    let key = folder.data().join("jwt.key");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(&folder.data())), (0o600, 0o700));
    let shop = Shop::of(&server);
    let body = json!({ "email": "a@b.test", "password": "correct horse" });
    let tokens = shop.client.post("/auth/login", &body).send().await.expect(200).body;
    let token = tokens["access_token"].as_str().expect("it is text").to_owned();
    // The tests' own secret is not this server's.
    let refused_token = shop.client.get("/products").token(&shop.admin).send().await;
    refused_token.expect_problem(401, "unauthenticated");
    server.terminate().expect_code(0);

    let server = Server::start(without_secret());
    let shop = Shop::of(&server);
    shop.client.get("/products").token(&token).send().await.expect(200);
    server.terminate().expect_code(0);

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("it is ours");
    expect_said(&refused(without_secret()).expect_code(1), &["jwt.key", "0644", "chmod 600"]);
}

#[tokio::test]
async fn journal_commands_tell_what_is_there() {
    let folder = Folder::new();
    for command in ["stat", "verify"] {
        let nothing = folder.run(&["journal", command]).expect_code(3);
        expect_said(&nothing, &["no journal", &folder.data().display().to_string()]);
    }
    assert!(!folder.data().exists(), "looking makes nothing");

    let server = folder.start();
    let shop = Shop::of(&server);
    let mug = shop.product("MUG", 10).await;
    for _ in 0..4 {
        shop.purchase(&mug, 1).session("a-guest-session-0001").key("k").send().await.expect(201);
        shop.purchase(&mug, 1).send().await.expect(201);
    }
    server.terminate().expect_code(0);

    let told = |arguments: &[&str]| -> Value {
        let ended = folder.run(arguments).expect_code(0);
        serde_json::from_str(&ended.stdout).expect("stdout is one JSON document")
    };
    let stat = told(&["journal", "stat", "--json"]);
    assert_eq!(
        (&stat["records"], &stat["partitions"]),
        (&json!(8), &json!(16)),
        "the beginning of mails, the people and six more: {stat}"
    );
    for figure in ["batches", "frame_bytes", "disk_bytes"] {
        assert!(stat[figure].as_u64().is_some_and(|figure| figure > 0), "{figure}: {stat}");
    }
    crate::client::expect_moment(&stat["first_at"]);
    crate::client::expect_moment(&stat["last_at"]);
    let verified = told(&["journal", "verify", "--json"]);
    assert_eq!((&verified["records"], &verified["products"]), (&json!(8), &json!(1)), "{verified}");
    assert_eq!(
        (&verified["idempotency_keys"], &verified["torn_tail"]),
        (&json!(1), &Value::Null),
        "{verified}"
    );
    let again = told(&["journal", "stat", "--json"]);
    for figure in ["batches", "records", "frame_bytes", "first_at", "last_at", "checkpoint_bytes"] {
        assert_eq!(again[figure], stat[figure], "looking changes nothing: {figure}");
    }
    let plain = folder.run(&["journal", "stat"]).expect_code(0);
    for name in stat.as_object().expect("it is an object").keys() {
        assert!(plain.stdout.lines().any(|line| line.starts_with(name.as_str())), "{name}: {}", plain.stdout);
    }
}

#[test]
fn health_command_tells_by_its_exit_code() {
    let folder = Folder::new();
    let server = folder.start();
    let url = server.url();
    assert_eq!(folder.run(&["health", "--url", &url]).expect_code(0).stdout, "ok");
    let told = folder.run(&["health", "--json", "--url", &url]).expect_code(0);
    let told: Value = serde_json::from_str(&told.stdout).expect("it is JSON");
    assert_eq!(told["status"], "ok");
    folder.run(&["health", "--url", "https://127.0.0.1"]).expect_code(2);
    server.kill();
    folder.run(&["health", "--url", &url]).expect_code(1);
    let mut by_settings = folder.command(&["health"]);
    by_settings.env("HOLDFAST_LISTEN", &url["http://".len()..]);
    crate::server::Process::spawn(by_settings).wait().expect_code(1);
}

#[test]
fn help_version_and_completions_go_to_stdout() {
    let folder = Folder::new();
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"], &["completions", "bash"]] {
        let ended = folder.run(arguments).expect_code(0);
        assert!(ended.stdout.contains("holdfast"), "{arguments:?}: {}", ended.stdout);
        assert_eq!(ended.stderr, "", "{arguments:?}");
    }
    assert!(folder.run(&["completions", "cobol"]).expect_code(2).stderr.contains("cobol"));
}

#[test]
fn log_is_json_when_it_is_asked_for() {
    let folder = Folder::new();
    let server = Server::start(folder.command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]));
    let ended = server.terminate().expect_code(0);
    assert!(!ended.stderr.is_empty());
    for line in ended.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
}
