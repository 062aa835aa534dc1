"""What package managers are told, and which of their versions is taken where nothing names one."""

from __future__ import annotations

#: What every package manager is told: no questions, no news, no waiting for hosts that are not there.
QUIET = {
    "CI": "1", "NO_COLOR": "1", "npm_config_audit": "false", "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_progress": "false", "npm_config_fetch_retries": "2",
    "npm_config_fetch_retry_mintimeout": "500", "npm_config_fetch_retry_maxtimeout": "3000",
    "npm_config_replace_registry_host": "always",
    "npm_config_cache": "{cache}/npm",
    "COREPACK_ENABLE_STRICT": "0", "PUPPETEER_SKIP_DOWNLOAD": "1", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1",
    "CYPRESS_INSTALL_BINARY": "0", "HUSKY": "0",
}  # fmt: skip
#: What yarn is told beside: the repository's own copy of yarn is its code and is not run, links go into node_modules.
YARN = {
    "YARN_IGNORE_PATH": "1", "YARN_ENABLE_SCRIPTS": "false", "YARN_ENABLE_TELEMETRY": "0",
    "YARN_NODE_LINKER": "node-modules",
    "YARN_ENABLE_GLOBAL_CACHE": "true", "YARN_GLOBAL_FOLDER": "{env}/yarn", "YARN_ENABLE_PROGRESS_BARS": "false",
    "YARN_ENABLE_COLORS": "false", "YARN_CACHE_FOLDER": "{env}/yarn/cache", "YARN_ENABLE_HARDENED_MODE": "0",
    "YARN_NM_MODE": "classic", "YARN_HTTP_RETRY": "2",
}  # fmt: skip
#: Version of pnpm by the version of its lock file, where nothing names one.
PNPM_BY_LOCK = {"5.3": "6.35.1", "5.4": "7.33.7", "6.0": "8.15.9", "6.1": "8.15.9", "7.0": "9.15.9", "9.0": "10.12.1"}
#: Where nothing says which pnpm or yarn.
NEWEST = {"pnpm": "10.12.1", "yarn": "1.22.22", "berry": "4.9.2"}
#: Major version of yarn by the version of its lock file's metadata.
YARN_BY_LOCK = {"4": "2.4.3", "5": "3.0.2", "6": "3.8.7", "7": "3.8.7", "8": "4.9.2"}
#: What pnpm is told beside. Its store lies in the environment, so that packages may be hard links to it: links to a
#: store that environments share would let one change what another gets.
PNPM = {
    "npm_config_store_dir": "{env}/store",
    "npm_config_manage_package_manager_versions": "false",
}
