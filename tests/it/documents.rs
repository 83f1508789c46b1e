//! Tables and numbers that stand in several documents say the same in all of them.

/// The rows of the table of features, made of the comments in `Cargo.toml`.
fn features() -> Vec<String> {
    let manifest = include_str!("../../Cargo.toml");
    let (_, section) = manifest.split_once("[features]\n").unwrap();
    let (section, _) = section.split_once("\n[").unwrap();
    let defaults = section.lines().find(|line| line.starts_with("default = ")).unwrap();
    let mut sentence = Vec::new();
    let mut rows = Vec::new();
    for line in section.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            sentence.push(comment);
        } else if let Some((name, _)) =
            line.split_once(" = [").filter(|(name, _)| *name != "default")
        {
            let mark = if defaults.contains(&format!("\"{name}\"")) { " yes " } else { " " };
            rows.push(format!("| `{name}` |{mark}| {} |", sentence.join(" ")));
            sentence.clear();
        }
    }
    rows
}

fn table_of_features<'d>(document: &'d str, prefix: &str) -> Vec<&'d str> {
    let lines = document.lines().filter_map(|line| line.strip_prefix(prefix));
    let from_head = lines.skip_while(|line| *line != "| feature | default | |");
    from_head.skip(2).take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn features_are_described_in_the_crate_documentation_as_in_the_manifest() {
    assert_eq!(table_of_features(include_str!("../../src/lib.rs"), "//! "), features());
}

#[test]
fn readme_names_every_feature() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## Features\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();

    for row in features() {
        let name = row.split('`').nth(1).unwrap();
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn heading_of_the_program_in_the_readme_tells_its_length() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## A program of ").unwrap();
    let (length, section) = section.split_once(" lines\n").unwrap();
    let (_, program) = section.split_once("```rust,no_run\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();

    assert_eq!(length, program.lines().count().to_string());
}

#[test]
fn every_page_of_the_guide_is_in_its_table_and_in_the_crate_documentation() {
    let guide = include_str!("../../src/guide.rs");
    let crate_documentation = include_str!("../../src/lib.rs");
    let mut pages = 0;

    for page in guide.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let page = page.strip_suffix(" {}").unwrap();
        assert!(guide.contains(&format!("//! | [`{page}`] |")), "{page}");
        assert!(crate_documentation.contains(&format!("(guide::{page})")), "{page}");
        pages += 1;
    }

    assert!(pages > 10);
}
