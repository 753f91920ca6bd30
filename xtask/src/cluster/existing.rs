//! A cluster that is there already: the one that KUBECONFIG leads to.

use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::process::Command;

use crate::machine::{has_program, output, user_cache};

/// How tests reach it, and under which address its Pods reach servers of this machine.
pub(super) fn variables() -> Result<Vec<(&'static str, String)>, String> {
    if !has_program("kubectl") {
        return Err("--existing needs `kubectl` on the search path".into());
    }
    let server = output(Command::new("kubectl").args([
        "config",
        "view",
        "--minify",
        "--output",
        "jsonpath={.clusters[0].cluster.server}",
    ]))
    .map_err(|why| format!("there is no cluster to use: {why}; next: set KUBECONFIG"))?;
    let host = match std::env::var("HOST_ADDRESS") {
        Ok(named) if !named.is_empty() => named,
        _ => address_towards(&server)?.to_string(),
    };
    Ok(vec![("KUBECONFIG", kubeconfig()), ("HOST_ADDRESS", host)])
}

/// kubectl's own rule.
fn kubeconfig() -> String {
    std::env::var("KUBECONFIG").ok().filter(|v| !v.is_empty()).unwrap_or_else(|| {
        let home = user_cache().and_then(|cache| cache.parent().map(|home| home.join(".kube/config")));
        home.unwrap_or_default().display().to_string()
    })
}

/// The address of this machine on the way to the apiserver.
fn address_towards(server: &str) -> Result<IpAddr, String> {
    let host = host_and_port(server).ok_or_else(|| format!("`{server}` is no address of an apiserver"))?;
    let at = |e: std::io::Error| format!("no way to the apiserver at {host}: {e}");
    let server =
        host.to_socket_addrs().map_err(at)?.next().ok_or_else(|| format!("{host} has no address"))?;
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    // Nothing is sent: connecting a datagram socket only looks the way up.
    let socket = UdpSocket::bind(any).map_err(at)?;
    socket.connect(server).map_err(at)?;
    let own = socket.local_addr().map_err(at)?.ip();
    if own.is_loopback() {
        return Err(format!(
            "the apiserver is reached at {host}, which Pods do not see as this machine; \
             next: set HOST_ADDRESS to an address of this machine that they reach"
        ));
    }
    Ok(own)
}

/// `https://10.0.0.1:6443/path` has `10.0.0.1:6443`.
fn host_and_port(server: &str) -> Option<String> {
    let (scheme, rest) = server.split_once("://")?;
    let authority = rest.split('/').next().filter(|authority| !authority.is_empty())?;
    let has_port = authority.rsplit(']').next().is_some_and(|after| after.contains(':'));
    let port = if scheme == "http" { 80 } else { 443 };
    Some(if has_port { authority.to_owned() } else { format!("{authority}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_server_is_read() {
        for (server, expected) in [
            ("https://10.0.0.1:6443", Some("10.0.0.1:6443")),
            ("https://cluster.example/path/to", Some("cluster.example:443")),
            ("http://[::1]:8080/", Some("[::1]:8080")),
            ("https://[fd00::1]", Some("[fd00::1]:443")),
            ("", None),
        ] {
            assert_eq!(host_and_port(server).as_deref(), expected, "{server}");
        }
    }

    #[test]
    fn a_cluster_on_loopback_needs_the_address_named() {
        let why = address_towards("https://127.0.0.1:6443").unwrap_err();
        assert!(why.contains("HOST_ADDRESS"), "{why}");
    }
}
