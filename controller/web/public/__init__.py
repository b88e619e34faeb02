"""What pages and their visitors reach without a token: `/public/v1`, the hosted pages, `rappel.js`."""
