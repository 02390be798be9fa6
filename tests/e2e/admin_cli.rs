//! `holdfast admin`: on a stopped folder, on one that is served, and on none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::client::{Answer, expect_id};
use crate::server::{Folder, Server};
use crate::shop::Shop;

const PASSWORD: &str = "correct horse battery";

/// Runs a command with a line on its standard input.
fn run_with(mut command: Command, line: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary is there");
    // A command that ends before it reads is not wrong.
    let _unread = writeln!(child.stdin.take().expect("it is piped"), "{line}");
    child.wait_with_output().expect("a child can be waited for")
}

fn create(folder: &Folder, email: &str, role: &str, more: &[&str], password: &str) -> Output {
    let arguments = [&["admin", "create-user", "--email", email, "--role", role], more].concat();
    run_with(folder.command(&arguments), password)
}

#[track_caller]
fn expect_code(output: Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

async fn log_in(shop: &Shop, email: &str) -> Answer {
    shop.client.post("/auth/login", &json!({ "email": email, "password": PASSWORD })).send().await
}

async fn is_admin(shop: &Shop, email: &str) -> bool {
    let pair = log_in(shop, email).await.expect(200);
    let token = pair.body["access_token"].as_str().expect("it is text").to_owned();
    shop.client.get("/users").token(&token).send().await.status == 200
}

#[tokio::test]
async fn user_is_made_in_a_stopped_folder_and_in_a_running_server() {
    let folder = Folder::new();
    folder.start().terminate().expect_code(0);
    let json = ["--json", "--name", "Ada", "--tier", "gold"];
    let (stdout, _) = expect_code(create(&folder, "Ada@Example.test", "admin", &json, PASSWORD), 0);
    let made: Value = serde_json::from_str(&stdout).expect("stdout is one JSON document");
    expect_id(&made["id"], "usr_");
    assert_eq!((&made["email"], &made["role"]), (&json!("ada@example.test"), &json!("admin")));
    assert_eq!((&made["name"], &made["tier"]), (&json!("Ada"), &json!("gold")));

    let server = folder.start();
    let shop = Shop::of(&server);
    assert!(is_admin(&shop, "ada@example.test").await);
    let (stdout, _) = expect_code(create(&folder, "bob@example.test", "customer", &[], PASSWORD), 0);
    assert!(stdout.contains("bob@example.test"), "{stdout}");
    assert!(!is_admin(&shop, "bob@example.test").await);
    let (_, stderr) = expect_code(create(&folder, "bob@example.test", "admin", &[], PASSWORD), 1);
    assert!(stderr.contains("bob@example.test already"), "{stderr}");
    let socket = folder.data().join("control/socket");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&folder.data().join("control"))), (0o600, 0o700));
    let listed = expect_code(run_with(folder.command(&["admin", "list-users", "--json"]), ""), 0).0;
    let listed: Value = serde_json::from_str(&listed).expect("stdout is one JSON document");
    assert_eq!(listed.as_array().map(Vec::len), Some(303), "those that were there, and two");
    server.kill();

    // A socket that a crash left is in nobody's way.
    expect_code(create(&folder, "eve@example.test", "customer", &[], PASSWORD), 0);
    let server = folder.start();
    let shop = Shop::of(&server);
    assert!(!is_admin(&shop, "eve@example.test").await);
    expect_code(create(&folder, "dan@example.test", "customer", &[], PASSWORD), 0);
    server.terminate().expect_code(0);
    assert!(!socket.exists());
    let listed = expect_code(run_with(folder.command(&["admin", "list-users"]), ""), 0).0;
    assert_eq!(listed.lines().count(), 305);
}

#[test]
fn wrong_folder_address_and_password_are_refused() {
    let folder = Folder::new();
    let (_, stderr) = expect_code(create(&folder, "a@b.test", "admin", &[], PASSWORD), 3);
    assert!(
        stderr.contains("no journal") && stderr.contains(&folder.data().display().to_string()),
        "{stderr}"
    );
    assert!(!folder.data().exists(), "nothing was made");
    for command in ["list-users", "rotate-key"] {
        expect_code(run_with(folder.command(&["admin", command]), ""), 3);
    }
    folder.start().terminate().expect_code(0);
    expect_code(create(&folder, "nobody", "admin", &[], PASSWORD), 2);
    expect_code(create(&folder, "a@b.test", "admin", &[], "short"), 2);
    expect_code(create(&folder, "a@b.test", "owner", &[], PASSWORD), 2);
}

#[tokio::test]
async fn name_that_fits_no_record_is_refused_and_the_server_goes_on() {
    let folder = Folder::new();
    let server = folder.start();
    let long = "n".repeat(100_000);
    for name in ["", "a\u{7}b", &"n".repeat(201), &long] {
        expect_code(create(&folder, "a@b.test", "customer", &["--name", name], PASSWORD), 2);
    }
    // Past the command, as another program of the operator might ask.
    let body = json!({
        "email": "a@b.test", "password": PASSWORD, "name": long, "role": "customer", "tier": "standard",
    });
    let answer = over_socket(&folder.data().join("control/socket"), &body.to_string());
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    let shop = Shop::of(&server);
    log_in(&shop, "a@b.test").await.expect_problem(401, "invalid_credentials");
    server.terminate().expect_code(0);
    expect_code(create(&folder, "a@b.test", "customer", &["--name", &long], PASSWORD), 2);
}

/// What the control socket answers to a new user.
fn over_socket(socket: &std::path::Path, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("the server listens");
    let length = body.len();
    write!(
        stream,
        "POST /users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is text");
    answer
}

#[tokio::test]
async fn folder_whose_path_is_too_long_for_a_socket_is_served_and_says_so() {
    let folder = Folder::new();
    let long = folder.parent().join("x".repeat(120));
    let mut serve = folder.serve_empty();
    serve.env("HOLDFAST_DATA_DIR", &long);
    let server = Server::start(serve);
    server.wait_for_stderr("no control socket");
    let mut create = folder.command(&["admin", "create-user", "--email", "a@b.test", "--role", "admin"]);
    create.env("HOLDFAST_DATA_DIR", &long);
    let (_, stderr) = expect_code(run_with(create, PASSWORD), 5);
    assert!(stderr.contains(&server.pid().to_string()), "{stderr}");
}

#[tokio::test]
async fn key_is_replaced_and_nobody_is_logged_out() {
    let folder = Folder::new();
    let serve = || {
        let mut serve = folder.serve();
        serve.env_remove("JWT_SECRET");
        Server::start(serve)
    };
    let rotate = || {
        let mut rotate = folder.command(&["admin", "rotate-key", "--json"]);
        rotate.env_remove("JWT_SECRET");
        let (stdout, _) = expect_code(run_with(rotate, ""), 0);
        serde_json::from_str::<Value>(&stdout).expect("stdout is one JSON document")["believed"].clone()
    };
    let server = serve();
    let shop = Shop::of(&server);
    expect_code(create(&folder, "ada@example.test", "admin", &[], PASSWORD), 0);
    let pair = log_in(&shop, "ada@example.test").await.expect(200);
    let access = pair.body["access_token"].as_str().expect("it is text").to_owned();
    let page = shop.client.get("/users?limit=1").token(&access).send().await.expect(200).body;
    let next = format!("/users?limit=1&cursor={}", page["next_cursor"].as_str().expect("there are more"));
    let spend = json!({ "refresh_token": pair.body["refresh_token"] });
    let spent = shop.client.post("/auth/refresh", &spend).key("k").send().await.expect(200);
    assert_eq!(rotate(), 1);

    // At once in the running server: the old token, cursor and retry are believed, a new token has another key.
    let still = async |shop: &Shop| {
        shop.client.get(&next).token(&access).send().await.expect(200);
        let again = shop.client.post("/auth/refresh", &spend).key("k").send().await.expect(200);
        assert_eq!(again.body["refresh_token"], spent.body["refresh_token"]);
    };
    still(&shop).await;
    let newer = log_in(&shop, "ada@example.test").await.expect(200);
    let head =
        |pair: &Answer| pair.body["access_token"].as_str().unwrap().split('.').next().unwrap().to_owned();
    assert_ne!(head(&newer), head(&pair));
    server.terminate().expect_code(0);
    assert_eq!(rotate(), 2);
    let server = serve();
    still(&Shop::of(&server)).await;
    drop(server);

    // A secret that is a setting is replaced there.
    let server = folder.start();
    let (_, stderr) = expect_code(run_with(folder.command(&["admin", "rotate-key"]), ""), 1);
    assert!(stderr.contains("JWT_SECRET_PREVIOUS"), "{stderr}");
    let believed = crate::tokens::admin();
    drop(server);
    let mut serve = folder.serve();
    serve.env("JWT_SECRET", "n".repeat(40)).env("JWT_SECRET_PREVIOUS", crate::tokens::SECRET);
    let server = Server::start(serve);
    Shop::of(&server).client.get("/users").token(&believed).send().await.expect(200);
}
