//! The measured versions, from the lock file.

pub(crate) struct Lock(Vec<Package>);

struct Package {
    name: &'static str,
    version: &'static str,
    /// As `name`, or `name version` if there are several.
    dependencies: Vec<&'static str>,
}

impl Lock {
    pub(crate) fn read() -> Self {
        let packages = include_str!("../../../Cargo.lock").split("[[package]]").skip(1).map(|package| {
            let value =
                |key| package.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim_matches('"'));
            Package {
                name: value("name = ").expect("a package has a name"),
                version: value("version = ").expect("a package has a version"),
                dependencies: package
                    .lines()
                    .filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\","))
                    .collect(),
            }
        });
        Self(packages.collect())
    }

    /// The version of a package that occurs once.
    pub(crate) fn version(&self, name: &str) -> &'static str {
        self.find(name).version
    }

    /// The version of `name` that `user` depends on.
    pub(crate) fn used_by(&self, user: &str, name: &str) -> &'static str {
        let of_several = |dependency: &&'static str| dependency.strip_prefix(name)?.strip_prefix(' ');
        let several = self.find(user).dependencies.iter().find_map(of_several);
        several.unwrap_or_else(|| self.version(name))
    }

    fn find(&self, name: &str) -> &Package {
        self.0.iter().find(|package| package.name == name).expect("it is a dependency")
    }
}
