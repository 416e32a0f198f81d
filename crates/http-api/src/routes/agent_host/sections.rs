//! What files of the kernel and the distribution say, in the members clients of the reference know. No I/O.

use serde_json::{Map, Value, json};

const KIBIBYTE: u64 = 1024;

/// Members of the memory section with the lines of `/proc/meminfo` they come from; an empty name is a member that other
/// systems have.
const MEMORY: [(&str, &str); 35] = [
    ("total", "MemTotal"),
    ("available", "MemAvailable"),
    ("free", "MemFree"),
    ("active", "Active"),
    ("inactive", "Inactive"),
    ("wired", ""),
    ("laundry", ""),
    ("buffers", "Buffers"),
    ("cached", "Cached"),
    ("writeBack", "Writeback"),
    ("dirty", "Dirty"),
    ("writeBackTmp", "WritebackTmp"),
    ("shared", "Shmem"),
    ("slab", "Slab"),
    ("sreclaimable", "SReclaimable"),
    ("sunreclaim", "SUnreclaim"),
    ("pageTables", "PageTables"),
    ("swapCached", "SwapCached"),
    ("commitLimit", "CommitLimit"),
    ("committedAS", "Committed_AS"),
    ("highTotal", "HighTotal"),
    ("highFree", "HighFree"),
    ("lowTotal", "LowTotal"),
    ("lowFree", "LowFree"),
    ("swapTotal", "SwapTotal"),
    ("swapFree", "SwapFree"),
    ("mapped", "Mapped"),
    ("vmallocTotal", "VmallocTotal"),
    ("vmallocUsed", "VmallocUsed"),
    ("vmallocChunk", "VmallocChunk"),
    ("hugePagesTotal", "HugePages_Total"),
    ("hugePagesFree", "HugePages_Free"),
    ("hugePagesRsvd", "HugePages_Rsvd"),
    ("hugePagesSurp", "HugePages_Surp"),
    ("hugePageSize", "Hugepagesize"),
];

/// The share of a part in percent; 0 of nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// The memory section out of `/proc/meminfo`, in bytes.
pub(super) fn memory(text: &str) -> Option<Value> {
    let figure = |name: &str| {
        let (_, rest) = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name)?;
        let mut words = rest.split_whitespace();
        let number: u64 = words.next()?.parse().ok()?;
        Some(if words.next() == Some("kB") { number.saturating_mul(KIBIBYTE) } else { number })
    };
    let known = |name: &str| figure(name).unwrap_or(0);
    let total = figure("MemTotal")?;
    let free = figure("MemFree")?;
    // Memory that caches hold is not in use; what the kernel can take back of its slabs is such a cache.
    let cached = known("Cached") + known("SReclaimable");
    let used = total.saturating_sub(free).saturating_sub(known("Buffers")).saturating_sub(cached);
    let mut section = Map::new();
    for (member, name) in MEMORY {
        section.insert(member.to_owned(), json!(known(name)));
    }
    section.insert("cached".to_owned(), json!(cached));
    section.insert("used".to_owned(), json!(used));
    section.insert("usedPercent".to_owned(), json!(percent(used, total)));
    Some(Value::Object(section))
}

/// The processors out of `/proc/cpuinfo`.
pub(super) fn cpus(text: &str) -> Option<Value> {
    let cpus: Vec<Value> = text.split("\n\n").filter_map(cpu).collect();
    (!cpus.is_empty()).then_some(Value::Array(cpus))
}

fn cpu(block: &str) -> Option<Value> {
    let field = |name: &str| {
        let pairs = block.lines().filter_map(|line| line.split_once(':'));
        pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let text = |name: &str| field(name).unwrap_or_default();
    let number: u64 = field("processor")?.parse().ok()?;
    let cache_kib = text("cache size").split_whitespace().next().unwrap_or_default();
    Some(json!({
        "cpu": number,
        "vendorId": text("vendor_id"),
        "family": text("cpu family"),
        "model": text("model"),
        "stepping": text("stepping").parse::<u64>().unwrap_or(0),
        "physicalId": text("physical id"),
        "coreId": text("core id"),
        "cores": 1,
        "modelName": text("model name"),
        "mhz": text("cpu MHz").parse::<f64>().unwrap_or(0.0),
        "cacheSize": cache_kib.parse::<u64>().unwrap_or(0),
        "flags": text("flags").split_whitespace().collect::<Vec<_>>(),
        "microcode": text("microcode"),
    }))
}

/// When the machine started, seconds since 1970, out of `/proc/stat`.
pub(super) fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The type of the file system mounted at a path, out of `/proc/mounts`: the last one mounted there is seen.
pub(super) fn file_system<'a>(mounts: &'a str, path: &str) -> Option<&'a str> {
    let mut lines = mounts.lines().rev().map(|line| line.split(' ').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.get(1) == Some(&path))?;
    fields.get(2).copied()
}

/// The distribution.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) name: String,
    pub(super) family: String,
    pub(super) version: String,
}

impl Platform {
    /// Out of `/etc/os-release`; empty for what it does not tell.
    pub(super) fn parse(text: &str) -> Platform {
        let field = |name: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            let found = pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches(['"', '\'']));
            found.unwrap_or_default().to_owned()
        };
        let (name, like) = (field("ID"), field("ID_LIKE"));
        let family = like.split_whitespace().next().map_or_else(|| name.clone(), str::to_owned);
        Platform { name, family, version: field("VERSION_ID") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let text = "MemTotal:       1000 kB\nMemFree:         400 kB\nBuffers:          50 kB\nCached:      100 kB\n\
            SReclaimable:     50 kB\nHugePages_Total:       3\nActive(anon):     7 kB\nActive:           9 kB\n";
        let section = memory(text).unwrap();
        assert_eq!((section["total"].as_u64(), section["free"].as_u64()), (Some(1_024_000), Some(409_600)));
        assert_eq!((section["cached"].as_u64(), section["used"].as_u64()), (Some(153_600), Some(409_600)));
        assert_eq!((section["hugePagesTotal"].as_u64(), section["active"].as_u64()), (Some(3), Some(9216)));
        assert_eq!(section["usedPercent"].as_f64(), Some(40.0));
        assert_eq!(section["wired"], 0);
        assert_eq!(section.as_object().unwrap().len(), MEMORY.len() + 2);
        assert_eq!(memory("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn processors_are_told_one_by_one() {
        let text = "processor\t: 0\nvendor_id\t: X\ncpu family\t: 25\nstepping\t: 1\ncpu MHz\t\t: 2596.134\n\
            cache size\t: 1024 KB\nflags\t\t: fpu vme\n\nprocessor\t: 1\n\n";
        let section = cpus(text).unwrap();
        assert_eq!(section.as_array().unwrap().len(), 2);
        let first = &section[0];
        assert_eq!((first["vendorId"].as_str(), first["family"].as_str()), (Some("X"), Some("25")));
        assert_eq!((first["mhz"].as_f64(), first["cacheSize"].as_u64()), (Some(2596.134), Some(1024)));
        assert_eq!(first["flags"], json!(["fpu", "vme"]));
        assert_eq!(cpus("nothing"), None);
    }

    #[test]
    fn the_rest_is_found_in_its_file() {
        assert_eq!(boot_time("cpu 1 2\nbtime 1795614086\nprocesses 3\n"), Some(1_795_614_086));
        assert_eq!(boot_time("cpu 1 2\n"), None);
        let mounts = "rootfs / rootfs rw 0 0\nproc /proc proc rw 0 0\noverlay / overlay rw 0 0\n";
        assert_eq!(file_system(mounts, "/"), Some("overlay"));
        assert_eq!(file_system(mounts, "/home"), None);
        let debian = Platform::parse("NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n");
        assert_eq!((debian.name.as_str(), debian.family.as_str(), debian.version.as_str()), ("debian", "debian", "12"));
        let mint = Platform::parse("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
        assert_eq!((mint.name.as_str(), mint.family.as_str()), ("linuxmint", "ubuntu"));
        assert_eq!(Platform::parse(""), Platform::default());
    }
}
