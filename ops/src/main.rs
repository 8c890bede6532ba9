//! The program.
//!
//! - `cli`: what may be typed; `typed`: what was
//! - `settings`: what may be set, from flags, the environment and `.env`
//! - `system`: the parts of a process, put together by its roles
//! - `server`: HTTP
//! - the rest: one file per command

mod backtest;
mod backup;
mod cli;
mod contacts;
mod demo;
mod doctor;
mod erase;
mod events;
mod keys;
mod master;
mod openapi;
mod policies_cmd;
mod progress;
mod projections_cmd;
mod server;
mod settings;
mod system;
mod telemetry;
mod top;
mod typed;
mod unfinished;
mod webhooks;

/// Many small allocations per request: half again as fast as the system's allocator. It also takes
/// the place of `malloc`, for SQLite.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let cli = match typed::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
