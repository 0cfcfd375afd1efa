//! What git leaves out, and the rules by which it does.

use std::io;

use super::plan::root;
use super::random::Random;
use super::texts;

const PACKAGES: usize = 100;

/// What `.gitignore` files of Node, Python, Go, Rust, Java, Ruby, PHP and .NET projects have in them, in one.
const RULES: &str = "\
# logs and what programs leave\n*.log\nlogs/\nnpm-debug.log*\nyarn-error.log*\nlerna-debug.log*\npids/\n*.pid\n*.seed\n\
*.pid.lock\n*.tmp\n*.swp\n*.swo\n*~\n.DS_Store\nThumbs.db\nhs_err_pid*\n*.stackdump\n\
# packages\nnode_modules/\n**/bower_components\njspm_packages/\n/vendor/bundle\n.venv/\nvenv/\nENV/\n*.egg-info/\n\
.eggs/\n*.egg\nwheels/\n.pnp.*\n.yarn/*\n!.yarn/patches\n!.yarn/plugins\n\
# builds\nbuild/\n/out\n**/target/\n*.class\n*.jar\n*.war\n*.py[cod]\n__pycache__/\n*.so\n*.dll\n*.exe\n*.o\n*.a\n\
*.test\n[Bb]in/\n[Oo]bj/\n*.nupkg\n*.user\n*.tsbuildinfo\n.next/\n.nuxt/\n.output\n.parcel-cache\n.cache/\n.turbo\n\
# tests\ncoverage/\n*.lcov\n.nyc_output\n.coverage\n.coverage.*\nhtmlcov/\n.pytest_cache/\n.mypy_cache/\n.tox/\n\
*.prof\n*.out\njunit*.xml\n\
# editors\n.idea/*\n!.idea/codeStyles\n*.iml\n.vscode/*\n!.vscode/settings.json\n*.suo\n*.sublime-workspace\n\
# values\n.env\n.env.*\n!.env.example\n*.local\n/secrets/\nterraform.tfstate*\n.terraform/\n*.tfvars\n";

const OWN_RULES: &str = "/dist-*/\n*.generated.*\n!keep.generated.ts\n/fixtures/recorded/\n";

/// The root's rules, and those of the packages.
pub(super) fn rules(every: usize) -> Vec<(String, &'static str)> {
    let own = packages(every).map(|package| (format!("{}/.gitignore", root(package)), OWN_RULES));
    std::iter::once((".gitignore".to_owned(), RULES)).chain(own).collect()
}

/// Writes what the rules leave out: in folders that nobody looks into, and in others.
pub(super) fn write(every: usize, mut put: impl FnMut(&str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    for package in packages(every) {
        let mut random = Random::new(77 + package as u64);
        let root = root(package);
        for number in 0..60 {
            let path = match number % 12 {
                0..6 => format!("node_modules/dependency-{}/lib/file-{number}.js", number % 7),
                6 => format!("target/release/deps/file-{number}.d"),
                7 => format!("build/static/file-{number}.js"),
                8 => format!("coverage/file-{number}.html"),
                9 => format!(".cache/file-{number}.json"),
                10 => format!("src/main/part0/file-{number}.generated.ts"),
                _ => format!("file-{number}.log"),
            };
            let mut text = String::new();
            let size = random.size(8 << 10);
            texts::bundle(size, &mut random, &mut text);
            put(&format!("{root}/{path}"), text.as_bytes())?;
        }
    }
    Ok(())
}

fn packages(every: usize) -> impl Iterator<Item = usize> {
    (0..PACKAGES).step_by(every)
}
