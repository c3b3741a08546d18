//! Machine and versions behind figures, as these should name them.

/// The machine and this program.
pub(crate) struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many of them this process may use.
    pub processors: usize,
    /// This program's version.
    pub version: &'static str,
}

impl Machine {
    /// The one that runs this.
    pub fn this() -> Self {
        let described = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = described.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "model name").then(|| value.trim().to_owned())
        });
        Self {
            processor: name.unwrap_or_else(|| "unknown processor".to_owned()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            processor,
            processors,
            version,
        } = self;
        let plural = if *processors == 1 { "" } else { "s" };
        write!(
            f,
            "upshift {version}, {processors} processor{plural}, {processor}"
        )
    }
}
