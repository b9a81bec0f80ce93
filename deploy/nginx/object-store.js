// For object-store.conf: what of an object store's answer reaches a viewer under the site's name.
// A context may serve several requests, so nothing is kept outside of nginx's variables.

// Of the store: length and range. The others are Django's; proxy_hide_header has taken the store's.
const LET_THROUGH =
    /^(?:content-length|content-range|content-disposition|cache-control|expires|set-cookie)$/;
const IMAGES = ['200', '206', '304'];
// As Django and nginx/refusal.conf have them.
const REFUSALS = {
    404: 'Not found.',
    416: 'Range not satisfiable.',
    503: 'The storage cannot be reached right now. Try again in a moment.',
};
const REFUSAL_HEADERS = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
    Vary: 'Cookie',
    'X-Robots-Tag': 'noindex',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox",
};

// For all that the store answers. An exception ends the connection before anything is sent.
function filter_headers(r) {
    if (r.httpVersion === '0.9') {
        // So nginx takes an answer whose first line it cannot read, and would pass all of it on.
        throw new Error('the object store answered no HTTP');
    }
    // The last of all that nginx has asked for this request.
    const status = String(r.variables.upstream_status).split(/[^0-9]+/).pop();
    if (IMAGES.indexOf(status) >= 0 && shows_its_end(r, status)) {
        pass_on(r, Number(status));
        return;
    }
    const refusal = status === '404' || status === '416' ? status : '503';
    r.error('the object store answered ' + status + ', so that the viewer is told ' + refusal);
    r.variables.images_refusal = refusal;
    r.status = Number(refusal);
    refuse(r);
    r.headersOut['Content-Length'] = String(REFUSALS[refusal].length);
}

// Without its length a part would pass for the whole.
function shows_its_end(r, status) {
    const length = r.variables.upstream_http_content_length;
    return status === '304' || length || r.variables.upstream_http_transfer_encoding;
}

function pass_on(r, status) {
    drop_but(r, LET_THROUGH);
    r.status = status;
    if (status === 304) {
        delete r.headersOut['Content-Length']; // of the 304, not of the image
    } else {
        r.headersOut['Content-Type'] = r.variables.images_type;
    }
}

// Also for nginx's own errors.
function refuse(r) {
    drop_but(r, /^content-length$/);
    Object.keys(REFUSAL_HEADERS).forEach(function (name) {
        r.headersOut[name] = REFUSAL_HEADERS[name];
    });
    if (r.status === 503) {
        r.headersOut['Retry-After'] = '5';
    }
}

function drop_but(r, kept) {
    r.rawHeadersOut.forEach(function (header) {
        if (!kept.test(header[0].toLowerCase())) {
            delete r.headersOut[header[0]];
        }
    });
}

function filter_body(r, data, flags) {
    const refusal = r.variables.images_refusal;
    if (!refusal) {
        r.sendBuffer(data, flags);
        r.done(); // the rest does not come through here
    } else if (refusal !== 'told') {
        r.variables.images_refusal = 'told';
        r.sendBuffer(REFUSALS[refusal], { last: true });
    }
}

export default { filter_headers, filter_body, refuse };
