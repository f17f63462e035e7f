//! Whether the link to the network costs by the byte, as far as this system says so.
//!
//! Nothing is asked of any service: the route that leads outside and what the kernel and the DHCP lease say of its
//! interface are read. What they do not say is *unknown*, never guessed: a wireless network may be a phone's.

use std::path::{Path, PathBuf};

/// What is known of the cost of the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkCost {
    /// It costs nothing by the byte; why that is believed.
    Unmetered(String),
    /// It costs by the byte; why that is believed.
    Metered(String),
    /// Nothing here says so; what was looked at.
    Unknown(String),
}

/// What an Android phone that shares its connection says in its DHCP answers.
const ANDROID_METERED: &[u8] = b"ANDROID_METERED";

/// Kinds of interfaces (ARPHRD) that lead over a phone line or a mobile network.
const POINT_TO_POINT: &str = "512";

/// Drivers of a phone that is tethered by cable, which look like a wired network.
const TETHERS: [&str; 5] = ["rndis_host", "cdc_ether", "cdc_ncm", "cdc_mbim", "ipheth"];

/// Whether the link of this machine is known to cost nothing by the byte.
#[must_use]
pub fn is_link_unmetered() -> bool {
    matches!(link_cost(Path::new("/")), LinkCost::Unmetered(_))
}

/// Looks at the link that leads outside. `root` is `/`, and another folder in tests.
#[must_use]
pub fn link_cost(root: &Path) -> LinkCost {
    let Some(name) = default_interface(root) else {
        return LinkCost::Unknown("no route leads to the network, or this system does not show it".into());
    };
    let folder = root.join("sys/class/net").join(&name);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let uevent = read("uevent");
    let is_kind = |kind: &str| uevent.lines().any(|line| line.strip_prefix("DEVTYPE=") == Some(kind));
    let driver = std::fs::read_link(folder.join("device/driver")).unwrap_or_default();
    let driver = driver.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if is_kind("wwan") || read("type").trim() == POINT_TO_POINT {
        return LinkCost::Metered(format!("{name} leads over a mobile network or a phone line"));
    }
    if TETHERS.contains(&driver.as_str()) {
        return LinkCost::Metered(format!("{name} is a phone that is tethered by cable ({driver})"));
    }
    if leases(root, read("ifindex").trim()).any(|lease| says_metered(&lease)) {
        return LinkCost::Metered(format!("the phone behind {name} says that its connection is metered"));
    }
    if is_kind("wlan") || folder.join("wireless").exists() {
        return LinkCost::Unknown(format!("{name} is wireless, and nothing here says whose network that is"));
    }
    if !driver.is_empty() && read("type").trim() == "1" {
        return LinkCost::Unmetered(format!("{name} is a wired network"));
    }
    LinkCost::Unknown(format!("{name} is no network card, and nothing here says what is behind it"))
}

/// The interface of the best route to everywhere.
fn default_interface(root: &Path) -> Option<String> {
    let routes = std::fs::read_to_string(root.join("proc/net/route")).unwrap_or_default();
    let by_four = routes.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, "00000000", _, _, _, _, metric, "00000000", ..] = fields.as_slice() else { return None };
        Some((metric.parse::<u32>().ok()?, (*name).to_owned()))
    });
    let best = by_four.min().map(|(_, name)| name);
    let routes = std::fs::read_to_string(root.join("proc/net/ipv6_route")).unwrap_or_default();
    let by_six = routes.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [to, "00", .., metric, _, _, _, name] = fields.as_slice() else { return None };
        let is_default = to.bytes().all(|digit| digit == b'0') && *name != "lo";
        let metric = u32::from_str_radix(metric, 16).ok()?;
        is_default.then(|| (metric, (*name).to_owned()))
    });
    best.or_else(|| by_six.min().map(|(_, name)| name))
}

/// The DHCP leases of an interface that other programs keep where anybody may read them.
fn leases(root: &Path, index: &str) -> impl Iterator<Item = Vec<u8>> {
    let networkd: PathBuf =
        root.join("run/systemd/netif/leases").join(if index.is_empty() { "none" } else { index });
    std::fs::read(networkd).into_iter()
}

/// The vendor's part of a lease stands in it as it is or in hexadecimal digits.
fn says_metered(lease: &[u8]) -> bool {
    let digits = data_encoding::HEXLOWER.encode(ANDROID_METERED);
    let holds = |wanted: &[u8]| lease.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted));
    holds(ANDROID_METERED) || holds(digits.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    /// A system whose way out is one interface.
    fn system(name: &str, files: &[(&str, &str)], driver: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let routes = format!(
            "{ROUTE}other\t00000000\t0102A8C0\t0003\t0\t0\t900\t00000000\t0\t0\t0\n\
             {name}\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             {name}\t0000FEA9\t00000000\t0001\t0\t0\t1\t0000FFFF\t0\t0\t0\n"
        );
        write("proc/net/route", &routes);
        for (file, text) in files {
            write(&file.replace("IF", &format!("sys/class/net/{name}")), text);
        }
        if !driver.is_empty() {
            let device = root.path().join(format!("sys/class/net/{name}/device"));
            std::fs::create_dir_all(&device).unwrap();
            std::os::unix::fs::symlink(format!("../../drivers/{driver}"), device.join("driver")).unwrap();
        }
        root
    }

    #[test]
    fn a_wired_card_is_unmetered_and_a_phone_behind_it_is_not() {
        let wired = [("IF/type", "1\n"), ("IF/ifindex", "2\n"), ("IF/uevent", "INTERFACE=enp3s0\n")];
        assert!(matches!(link_cost(system("enp3s0", &wired, "e1000e").path()), LinkCost::Unmetered(_)));
        assert!(matches!(link_cost(system("usb0", &wired, "rndis_host").path()), LinkCost::Metered(_)));
        let lease = "ADDRESS=192.168.43.7\nVENDOR_SPECIFIC=414e44524f49445f4d455445524544\n";
        let hotspot =
            [wired[0], wired[1], ("IF/uevent", "DEVTYPE=wlan\n"), ("run/systemd/netif/leases/2", lease)];
        assert!(matches!(link_cost(system("wlan0", &hotspot, "iwlwifi").path()), LinkCost::Metered(_)));
    }

    #[test]
    fn mobile_networks_are_metered_and_what_nothing_is_said_of_is_unknown() {
        let mobile = [("IF/type", "1\n"), ("IF/uevent", "DEVTYPE=wwan\n")];
        assert!(matches!(link_cost(system("wwan0", &mobile, "qmi_wwan").path()), LinkCost::Metered(_)));
        let dialled = [("IF/type", "512\n"), ("IF/uevent", "")];
        assert!(matches!(link_cost(system("ppp0", &dialled, "").path()), LinkCost::Metered(_)));
        let wireless = [("IF/type", "1\n"), ("IF/uevent", "DEVTYPE=wlan\n")];
        assert!(matches!(link_cost(system("wlan0", &wireless, "iwlwifi").path()), LinkCost::Unknown(_)));
        let tunnel = [("IF/type", "65534\n"), ("IF/uevent", "")];
        assert!(matches!(link_cost(system("tun0", &tunnel, "").path()), LinkCost::Unknown(_)));
        assert!(matches!(link_cost(tempfile::tempdir().unwrap().path()), LinkCost::Unknown(_)));
    }
}
