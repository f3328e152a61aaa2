"""Every text of the shell, Start, Run, log-in and Account pages, in one place."""

from __future__ import annotations

APP = "Tellapart"
WORDMARK = "tellapart"
HOME = "Tellapart, to the start page"
SKIP = "Skip to the content"
PAGES = "Pages"
PROJECT_PAGES = "Pages of this project"
DECK_PAGES = "Pages of this deck"
NAV_START = "New"
NAV_PROJECTS = "Projects"
NAV_DECKS = "Decks"
NAV_ACCOUNT = "Account"
NAV_LOGIN = "Log in"
TAB_RUN = "Run"
TAB_PICTURES = "Pictures"
TAB_CURATION = "Curation"
TAB_MODEL = "Model"
TAB_NETWORK = "Network"
TAB_DECK = "Deck"
TAB_REVIEW = "Review"
TAB_RESULTS = "Results"
TAB_POLICY = "Policy"
TAB_TASTE = "Taste"
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
LINE = "Line {n}, "
NOT_NOW = "Not now"
FAILED = "That did not work"
NOT_FOUND = "There is nothing here"
BROKEN = "The page could not be made."
BROKEN_EXPECTED = "a page"
BROKEN_DO = "Try again. If it stays so, the server's log tells whoever keeps it what happened."
NO_PAGE = "There is no page at {path!r}."
NO_PAGE_EXPECTED = "a page of this server"
NO_PAGE_DO = "Go to the start page, or to your projects."
TO_START = "To the start page"
NO_SESSION = "Your session has ended."
NO_SESSION_EXPECTED = "a session of somebody who has logged in"
NO_SESSION_DO = "Log in again."

# Start
ASK = "What should be told apart?"
ASK_LEAD = (
    "Name two or more things. Tellapart finds pictures of each, sorts out the bad ones, learns the "
    "difference, checks itself honestly, and hands you the model."
)
WAYS = "Where the pictures come from"
WAY_WORDS = "From words"
WAY_PICTURES = "My pictures"
WAY_RECIPE = "A recipe"
WORDS = "Things to tell apart"
WORD_N = "Thing {n}"
WORD_EXAMPLES = ("apple", "pear")
WORD_ANOTHER = "and …"
WORD_REMOVE = "Take away thing {n}"
WORDS_TOO_FEW = "Two different things are needed: there is nothing to tell apart yet."
WORDS_TWICE = "“{word}” stands here twice."
EMAIL = "Where to send the result"
EMAIL_HINT = "The data set, the model and the verdict, by mail. May stay empty."
EMAIL_WRONG = "That is no e-mail address, such as ada@example.org."
NO_MAIL = "No mail server is set up here (TELLAPART_MAIL): the result waits on its page."
EMAIL_OWN = "The mail goes to {email}, the confirmed address of your account."
EMAIL_SEND = "Send me the result by mail"
EMAIL_NOT_CONFIRMED = "Confirm the address of your account first to get mail."
TEST = "A picture to try"
TEST_HINT = "What the new model is to judge in the end. May stay empty."
TEST_FILE = "Or drop a picture here"
TEST_FILE_HINT = "or choose a file"
TEST_NO_PICTURE = "That file is no picture."
TEST_CHOSEN = "{name} will be judged."
TEST_REMOVE = "Take it away"
TEST_SENDING = "The picture is still being sent. Press Begin again when it is here."
TEST_WRONG = "That is no address of a picture: it begins with https:// or http://."
EFFORT = "Effort"
EFFORTS = (
    ("quick", "Quick", "Seconds of learning"),
    ("good", "Good", "Up to 10 minutes"),
    ("best", "Best", "Up to 2 hours"),
)
PER_CLASS = "Pictures of each"
PER_CLASS_HINT = "100 give a first honest figure, in about a minute."
PER_CLASS_WRONG = "A whole number from 10 to 10,000."
WITHOUT = "Not these"
WITHOUT_HINT = "Pictures whose title holds one of these words are left out."
WITHOUT_EXAMPLE = "logo, drawing"
WITHOUT_WRONG = "Words of at most 60 characters, with commas between."
BEGIN = "Begin"
MORE_OPTIONS = "More choices"
LATELY = "Lately"
ALL_PROJECTS = "All projects"
HOW = "What happens then"
HOW_STEPS = (
    ("Collect", "Pictures with a licence are searched, each with its origin."),
    ("Sort out", "Doubles, broken and off-topic ones are set aside, with reasons."),
    ("Learn", "A classifier is trained, and tested on pictures it has not seen."),
    ("Hand over", "The model and the data set, by mail and to download."),
)
RECIPE = "Recipe or spec"
RECIPE_HINT = "YAML or JSON. Specs of the earlier QuickML program run as they are."
RECIPE_EXAMPLE = "classes: [apple, pear]\nper_class: 100\neffort: quick"
RECIPE_EMPTY = "There is nothing to run yet."
STATES = {
    "queued": "Waiting",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}

# Run
STEPS_HEAD = "Steps"
STEPS = {
    "collect": ("Find pictures", "Search, fetch and note where each picture comes from"),
    "curate": ("Sort out", "Set aside doubles, broken, empty and off-topic pictures"),
    "split": ("Share out", "Some to learn from, some never seen until the test"),
    "train": ("Learn", "Train the classifier"),
    "evaluate": ("Check", "Test it on pictures that it has not seen"),
    "compile": ("Compile", "Make the files that run anywhere, and prove them equal"),
    "package": ("Pack", "Write the bundle"),
    "judge": ("Judge your picture", "Ask the new model about the picture to try"),
    "deliver": ("Send", "Put the mail on its way"),
}
STEP_STATES = {
    "waiting": "not begun",
    "running": "under way",
    "done": "done",
    "failed": "failed",
}
STEP_AT = "{step}, step {n} of {all}"
COUNT = "{done} of {total}"
QUEUED = "Next in line."
QUEUED_AHEAD = "{n} before it."
LEFT = "About {time} left."
NO_LEFT = "Under way."
ENDED = "Ended {ago}."
CANCELLING = "Being cancelled …"
STOPPING = "Ending the training with what it has learned …"
STOP = "Stop learning early"
STOP_HINT = "Ends the training now and goes on with what was learned"
CANCEL = "Cancel"
CANCEL_SURE = "Cancel this run?"
CANCEL_TEXT = "What is found and learned so far stays. It can be gone on with later."
CANCEL_DO = "Cancel the run"
RETRY = "Go on with it"
RUN_GONE = "This run was deleted meanwhile."
RUN_GONE_DO = "Your other projects stand under Projects."
ARRIVING = "Pictures"
ALL_PICTURES = "All pictures"
PICTURE_OF = "Picture found for {label}"
CURVE = "Learning"
LOG = "Log"
OUTCOME = "What came out"
ACCURACY = "Accuracy on unseen pictures"
ACCURACY_ROWS = "Accuracy on unseen rows"
INTERVAL = "95 % interval {low} to {high}."
BASELINE = "Always the commonest class: {share}."
KEPT = "Pictures kept"
KEPT_ROWS = "Rows kept"
SET_ASIDE = "{n} set aside, with reasons."
VERDICT = "Your picture"
VERDICT_SURE = "Probability {share}."
VERDICT_REFUSED = "Nearest is {label}, with {share}."
VERDICT_NONE = "Could not be judged."
NONE_OF_THESE = "None of these"
SEE_MODEL = "See the model"
SEE_PICTURES = "Look through the pictures"
GET_BUNDLE = "Download the model"
GET_DATASET = "Download the data set"
MAIL_STATES = {
    "queued": "The mail to {email} is on its way.",
    "sending": "The mail to {email} is on its way.",
    "sent": "The mail to {email} has been sent.",
    "failed": "The mail to {email} could not be sent. Everything in it stands here.",
    "refused": "No mail was sent: the address is not confirmed, or has had too many.",
}

# Own pictures
DROP_PICTURES = "Drop a zip or a folder here"
DROP_PICTURES_HINT = (
    "One folder for each class: apple/1.jpg, pear/1.jpg. A CSV with path,label, a table or a "
    "recipe will do as well. Or choose a file."
)
CHOOSE_FOLDER = "Choose a folder"
NOTHING_DROPPED = "There is no file in that."
SENDING = "Sending"
SENDING_FILE = "Sending {name} …"
SENDING_FILES = "Sending {n} files …"
STILL_SENDING = "The pictures are still being sent."
NO_FILES = "There are no pictures yet: drop a zip or a folder above."
GOT_PICTURES = "{n} pictures of {classes} classes are here."
GOT_FILE = "{name} is here."
GOT_PROBLEM = "{n} left out: {what}."
AND_MORE = "and {n} more"
NAME = "Name"
NAME_HINT = "What the project is called. May stay empty."

# Projects
PROJECTS = "Projects"
PROJECTS_NONE = "No projects yet. The first one begins with two words."
PROJECTS_BEGIN = "Begin one"
PROJECTS_MORE = "Show more"
NO_VERSION = "No model yet"
VERSION = "Version {n}"
RUNS_NOW = "Under way"
DELETE_PROJECT = "Delete this project"
DELETE_PROJECT_SURE = "Delete {title}?"
DELETE_PROJECT_TEXT = (
    "Its pictures, models and runs are deleted for good. Files that you have downloaded stay."
)
DELETE = "Delete"

# Log-in
LOGIN = "Log in"
LOGIN_NAME = "Name or e-mail address"
PASSWORD = "Password"  # noqa: S105 - a label
PASSWORD_HINT = "At least 10 characters that nobody guesses; four words will do."  # noqa: S105
PASSWORD_NEW = "New password"  # noqa: S105
PASSWORD_NOW = "Your password"  # noqa: S105
FORGOT = "Forgot your password?"
FORGOT_LEAD = "We send a link, with which you can choose a new one, to the address of your account."
FORGOT_SEND = "Send the link"
FORGOT_DONE = "If there is such an account, a mail is on its way to its address."
FORGOT_NO_MAIL = (
    "No mail server is set up here. Whoever keeps this server can make you a link: "
    "tellapart accounts reset NAME."
)
SIGN_UP = "Sign up"
SIGN_UP_CLOSED = "Signing up is closed here. Whoever keeps this server can add you."
SIGN_UP_DONE = "Look into your mail: a link there finishes it."
SIGN_UP_WAIT = "Whoever keeps this server has to let you in now."
NAME_YOURS = "Name"
NAME_YOURS_HINT = "How you log in and how others see you."
EMAIL_YOURS = "E-mail address"
CONFIRM = "Confirm your address"
CONFIRM_LEAD = "Your password proves that it was you who signed up."
RESET = "Choose a new password"
FIRST = "The first account"
FIRST_LEAD = "It is the keeper's: it may add others and open or close the door."
FIRST_DO = "Make it"

# Account
ACCOUNT = "Account"
SINGLE = "You are the only user of this machine's Tellapart: there is no log-in."
LOG_OUT = "Log out"
WHO = "You"
ROLE = "Role"
ROLES = {"admin": "Admin", "user": "User"}
CONFIRMED = "confirmed"
UNCONFIRMED = "not confirmed"
CONFIRM_AGAIN = "Send the confirmation again"
CONFIRM_SENT = "A mail with the link is on its way."
PASSWORD_CHANGE = "Change the password"  # noqa: S105
EMAIL_CHANGE = "Change the address"
EMAIL_CHANGE_SENT = "A mail to the new address is on its way; its link finishes the change."
EMAIL_NEW = "New e-mail address"
USE = "What you use"
USE_PROJECTS = "Projects"
USE_PICTURES = "Pictures"
USE_RUNS = "Runs today"
USE_DISK = "Disk, MB"
TOKENS = "Tokens"
TOKENS_LEAD = "For programs that use this server in your name."
TOKENS_NONE = "None yet."
TOKEN_NEW = "Make a token"  # noqa: S105
TOKEN_NAME = "What it is for"  # noqa: S105
TOKEN_NAME_HINT = "Such as: the phone in the greenhouse."  # noqa: S105
TOKEN_NAMELESS = "Give it a name, to know it by later."  # noqa: S105
TOKEN_SCOPES = "What it may do"  # noqa: S105
SCOPES = {
    "read": "See projects, pictures and models",
    "write": "Make and change projects, queue runs",
    "predict": "Ask models",
    "admin": "Keep accounts",
}
TOKEN_EXPIRES = "How long it works"  # noqa: S105
TOKEN_DAYS = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("0", "Until revoked"))
TOKEN_MAKE = "Make the token"  # noqa: S105
TOKEN_ONCE = "Copy it now: it is shown only this once."  # noqa: S105
TOKEN_USED = "used {when}"  # noqa: S105
TOKEN_UNTIL = "until {day}"  # noqa: S105
TOKEN_REVOKE = "Revoke"  # noqa: S105
TOKEN_REVOKE_NAMED = "Revoke {name}"  # noqa: S105
TOKEN_REVOKE_SURE = "Revoke {name}?"  # noqa: S105
TOKEN_REVOKE_TEXT = "Programs that use it are refused from now on."  # noqa: S105
NEVER = "never"
COPY = "Copy"
COPIED = "Copied"
MAIL = "Mail"
MAIL_LEAD = "What is sent when a run has ended."
MAIL_SINGLE = "It goes to the address that you give with a run."
WEBHOOKS = "Webhooks"
WEBHOOKS_LEAD = "The secret that the signature of webhooks (X-Tellapart-Signature) is made with:"
DATA = "Your data"
EXPORT_LEAD = "Everything held about you and your projects, as one zip."
EXPORT = "Download everything"
DELETE_ME = "Delete the account"
DELETE_ME_SURE = "Delete your account?"
DELETE_ME_TEXT = "Your projects, pictures, models, runs and tokens are deleted for good."
PEOPLE = "People"
PEOPLE_LEAD = "Everybody with an account here."
SIGN_UP_OPEN = "Anybody may sign up"
LOCK_OUT = "Lock out"
LET_IN = "Let in again"
VOUCH = "Vouch for the address"
VOUCH_NAMED = "Vouch for the address of {name}"
VOUCHED = "{name} may log in now."
