//! The rules for browsers: the names of this machine and those of the settings.

use std::fs::File;
use std::io::Read;

use file_transport::Tls;
use http_service::browsers::{AllowedHosts, AllowedOrigins, BrowserRules, Browsers};
use model::host_pattern::HostPattern;

use crate::config::{BrowserSettings, Config};

/// The most that is read of a file of the system, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The rules of a configuration, which follow its changes. The names of the machine are those of now.
pub(super) fn follow(config: &Config) -> Browsers {
    let southbound = config.southbound_url.as_ref().and_then(|url| url::Url::parse(url).ok());
    let mut names: Vec<HostPattern> =
        southbound.and_then(|url| HostPattern::new(url.host_str()?)).into_iter().collect();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let known = names_of(&host, &read("/etc/hosts"), &read("/etc/resolv.conf"));
    names.extend(known.iter().filter_map(|name| HostPattern::new(name)));
    let certificates: Vec<Tls> =
        config.endpoints.iter().filter_map(|endpoint| endpoint.tls.clone()).collect();
    let rules = move |settings: &BrowserSettings| BrowserRules {
        hosts: AllowedHosts::new([&names[..], &settings.allowed_hosts].concat(), certificates.clone()),
        origins: AllowedOrigins::new(&settings.cors_origins),
        hsts: settings.hsts,
    };
    let browsers = Browsers::new(rules(&config.browsers.get()));
    let changed = browsers.clone();
    config.browsers.on_change(move |settings| changed.replace(rules(settings)));
    browsers
}

/// The names of a machine: its host name, with the domains that it searches (resolv.conf(5)) and the one of
/// multicast DNS (RFC 6762), and what stands beside it in hosts(5). They come from the machine's operator and
/// network, not from a page.
fn names_of(host: &str, hosts: &str, resolver: &str) -> Vec<String> {
    let short = host.split('.').next().unwrap_or_default();
    if short.is_empty() || short == "localhost" {
        return Vec::new();
    }
    let lines = |text: &str| {
        let lines = text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default());
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let mut names = vec![host.to_owned(), short.to_owned(), format!("{short}.local")];
    for line in lines(resolver) {
        if let [keyword, domains @ ..] = line.as_slice()
            && matches!(keyword.as_str(), "search" | "domain")
        {
            let domains = domains.iter().map(|domain| domain.trim_matches('.')).filter(|it| !it.is_empty());
            names.extend(domains.map(|domain| format!("{short}.{domain}")));
        }
    }
    let is_own = |name: &String| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(short);
    for line in lines(hosts) {
        if let [_, known @ ..] = line.as_slice()
            && known.iter().any(is_own)
        {
            names.extend(known.iter().cloned());
        }
    }
    names
}

fn read(path: &str) -> String {
    let mut text = Vec::new();
    // Without the file the machine has fewer names.
    let _ = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_by_its_own_names() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 box.example.com box # box\n192.0.2.7 other\n";
        let names = names_of("box", hosts, "nameserver 192.0.2.1\nsearch lan example.org.\n");
        let expected = ["box", "box", "box.local", "box.lan", "box.example.org", "box.example.com", "box"];
        assert_eq!(names, expected);
        assert_eq!(names_of("box.example.com", "", ""), ["box.example.com", "box", "box.local"]);
        assert_eq!(names_of("localhost", hosts, "search lan"), [] as [&str; 0]);
    }
}
