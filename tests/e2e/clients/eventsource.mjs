// npm `eventsource`: node clients/eventsource.mjs URL TYPE… prints each event as a line of JSON.

import { EventSource } from 'eventsource';

import { printEvents } from './print-events.mjs';

printEvents(EventSource);
