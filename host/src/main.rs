//! The command line of Weir, and its Lambda.

fn main() -> std::process::ExitCode {
    weir::cli::main()
}
