"""Every text of the shell, Start, Run, log-in and Account pages, in one place."""

from __future__ import annotations

APP = "Tellapart"
WORDMARK = "tellapart"
HOME = "Tellapart, to the start page"
SKIP = "Skip to the content"
PAGES = "Pages"
PROJECT_PAGES = "Pages of this project"
NAV_START = "New"
NAV_PROJECTS = "Projects"
NAV_ACCOUNT = "Account"
NAV_LOGIN = "Log in"
TAB_RUN = "Run"
TAB_PICTURES = "Pictures"
TAB_MODEL = "Model"
TAB_NETWORK = "Network"
THEME = "Change between the system's, light and dark colours"
THEMES = {
    "system": "Colours as the system has them",
    "light": "Light colours",
    "dark": "Dark colours",
}
API = "Interface for programs"
OFFLINE = "The server does not answer. Check the connection, then try again."

EXPECTED = "Expected"
DO = "What to do"
NOT_NOW = "Not now"
FAILED = "That did not work"
NOT_FOUND = "There is nothing here"
TO_START = "To the start page"
NO_SESSION = "Your session has ended."
NO_SESSION_EXPECTED = "a session of somebody who has logged in"
NO_SESSION_DO = "Log in again."
