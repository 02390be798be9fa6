//! Where a request comes from: the peer of the connection, or whom a proxy of ours names.
//!
//! A header is believed only from a peer that the settings trust, and of it only the part that trusted proxies
//! wrote: everything to the left of the right-most untrusted hop is the client's own word.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName};
use actix_web::{HttpRequest, web};

use crate::config::Networks;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Longer chains of proxies are somebody's joke.
const HOPS_MAX: usize = 32;

/// The address of nobody: requests that came without a socket.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Put into the app's data: the proxies whose word is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(pub Networks);

/// The address of the client, as far as it can be known.
///
/// An IPv4 address that came mapped into IPv6 is the IPv4 address.
pub fn client_address(request: &HttpRequest) -> IpAddr {
    let peer = request.peer_addr().map_or(NOBODY, |peer| peer.ip().to_canonical());
    match request.app_data::<web::Data<TrustedProxies>>() {
        Some(trusted) if trusted.0.contains(peer) => forwarded(peer, request.headers(), &trusted.0),
        _ => peer,
    }
}

/// The address of the client where nothing speaks against it: a peer that forwards nothing, or whom a trusted proxy
/// names.
///
/// None when all that is known is the address of a proxy, trusted or not: what may be done from there is not
/// what everybody may do who comes through it.
pub fn undisputed(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let is_trusted = |address: IpAddr| {
        request.app_data::<web::Data<TrustedProxies>>().is_some_and(|trusted| trusted.0.contains(address))
    };
    let is_forwarded = [X_FORWARDED_FOR, FORWARDED].iter().any(|name| request.headers().contains_key(name));
    let client = client_address(request);
    let is_known = !is_trusted(client) && (is_trusted(peer) || !is_forwarded);
    is_known.then_some(client)
}

/// True when the connection comes from this machine itself, and not from a proxy that runs on it.
pub fn is_local(request: &HttpRequest) -> bool {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return false };
    let is_proxy = |trusted: &web::Data<TrustedProxies>| trusted.0.contains(peer);
    peer.is_loopback() && !request.app_data().is_some_and(is_proxy)
}

/// Whom the trusted proxy `peer` speaks for.
///
/// Proxies write one of the two headers and pass the other on as it came. So when both are there and do not
/// agree, one of them is forged, and nobody but the proxy itself is known.
fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> IpAddr {
    let plain = lines(headers, &X_FORWARDED_FOR);
    let standard = lines(headers, &FORWARDED);
    let plain = plain.map(|line| client(peer, hops(&line, Some), trusted));
    let standard = standard.map(|line| client(peer, hops(&line, for_parameter), trusted));
    match (plain, standard) {
        (Some(plain), Some(standard)) if plain != standard => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

/// All lines of a header as one, as RFC 9110 says.
fn lines(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(name).map(|line| line.to_str().unwrap_or_default()).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// The hops of a header, nearest first; `None` for one that names no address.
fn hops<'a>(
    line: &'a str,
    address: impl Fn(&'a str) -> Option<&'a str>,
) -> impl Iterator<Item = Option<IpAddr>> {
    line.rsplit(',').take(HOPS_MAX).map(move |hop| address(hop).and_then(parse))
}

/// The nearest hop that is no trusted proxy; the peer, where that is not told or every hop is trusted.
fn client(peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>, trusted: &Networks) -> IpAddr {
    for hop in hops {
        match hop {
            Some(address) if trusted.contains(address) => {}
            Some(address) => return address,
            None => return peer,
        }
    }
    peer
}

/// The `for` of one element of `Forwarded` (RFC 7239).
fn for_parameter(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// An address, with or without a port; IPv6 with or without brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn seen(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted = TrustedProxies(Networks::parse("10.0.0.0/8, 192.168.0.1, fd00::/8").unwrap());
        let mut request = TestRequest::get()
            .app_data(web::Data::new(trusted))
            .peer_addr(SocketAddr::new(peer.parse().unwrap(), 4711));
        for header in headers {
            request = request.append_header(*header);
        }
        client_address(&request.to_http_request()).to_string()
    }

    fn is_seen_as_local(peer: &str, trusted: &str) -> bool {
        let trusted = TrustedProxies(Networks::parse(trusted).unwrap());
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        let request = TestRequest::get().app_data(web::Data::new(trusted)).peer_addr(peer);
        is_local(&request.to_http_request())
    }

    #[test]
    fn this_machine_is_local_unless_a_proxy_runs_on_it() {
        assert!(is_seen_as_local("127.0.0.1", ""));
        assert!(is_seen_as_local("::1", "10.0.0.0/8"));
        assert!(is_seen_as_local("::ffff:127.0.0.1", ""));
        assert!(!is_seen_as_local("127.0.0.1", "127.0.0.0/8"));
        assert!(!is_seen_as_local("203.0.113.9", ""));
    }

    #[test]
    fn address_of_a_proxy_is_nobodys() {
        let seen = |peer: &str, headers: &[(&'static str, &str)]| {
            let trusted = TrustedProxies(Networks::parse("10.0.0.0/8").unwrap());
            let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
            let mut request = TestRequest::get().app_data(web::Data::new(trusted)).peer_addr(peer);
            for header in headers {
                request = request.append_header(*header);
            }
            undisputed(&request.to_http_request()).map(|address| address.to_string())
        };
        assert_eq!(seen("127.0.0.1", &[]).as_deref(), Some("127.0.0.1"));
        // A proxy that nobody told us of.
        assert_eq!(seen("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")]), None);
        assert_eq!(seen("127.0.0.1", &[("forwarded", "for=127.0.0.1")]), None);
        // One that we know, and whom it speaks for.
        let named = ("x-forwarded-for", "203.0.113.9");
        assert_eq!(seen(PROXY, &[named]).as_deref(), Some("203.0.113.9"));
        assert_eq!(seen(PROXY, &[]), None);
        assert_eq!(seen(PROXY, &[named, ("forwarded", "for=1.2.3.4")]), None, "they do not agree");
    }

    fn behind_proxy(header: (&'static str, &str)) -> String {
        seen(PROXY, &[header])
    }

    #[test]
    fn stranger_is_where_the_connection_comes_from() {
        let forged = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")];
        assert_eq!(seen("203.0.113.9", &forged), "203.0.113.9");
        assert_eq!(seen("::ffff:203.0.113.9", &forged), "203.0.113.9");
        assert_eq!(seen(PROXY, &[]), PROXY);
    }

    #[test]
    fn trusted_proxy_names_the_client() {
        for (line, client) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:5555", "203.0.113.9"),
            ("[2001:db8::9]:5555", "2001:db8::9"),
            ("2001:db8::9", "2001:db8::9"),
            ("203.0.113.9, 10.0.0.2, 192.168.0.1", "203.0.113.9"),
            // What the client wrote itself is to the left of what the proxy saw.
            ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
            ("1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.3", PROXY),
            ("1.2.3.4, unknown", PROXY),
            ("", PROXY),
        ] {
            assert_eq!(behind_proxy(("x-forwarded-for", line)), client, "{line}");
        }
    }

    #[test]
    fn standard_header_is_read_as_well() {
        for (line, client) in [
            ("for=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("proto=https; For=\"[2001:db8::9]:4711\"", "2001:db8::9"),
            ("for=1.2.3.4, for=203.0.113.9, for=10.0.0.2", "203.0.113.9"),
            ("for=_hidden", PROXY),
            ("proto=https", PROXY),
        ] {
            assert_eq!(behind_proxy(("forwarded", line)), client, "{line}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(seen(PROXY, &lines), "203.0.113.9");
    }

    #[test]
    fn headers_that_do_not_agree_name_nobody() {
        let agreed = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(seen(PROXY, &agreed), "203.0.113.9");
        let forged = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=1.2.3.4")];
        assert_eq!(seen(PROXY, &forged), PROXY);
    }

    #[test]
    fn endless_chain_is_not_followed() {
        let chain = format!("203.0.113.9{}", ", 10.0.0.2".repeat(HOPS_MAX));
        assert_eq!(behind_proxy(("x-forwarded-for", &chain)), PROXY);
    }
}
